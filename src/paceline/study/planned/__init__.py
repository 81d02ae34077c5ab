"""Parts of a planned study: its protocol, fresh trainings, the test part, predicted costs."""
