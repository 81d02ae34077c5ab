"""What a planned study consists of: its protocol, fresh trainings, the test part, predicted costs."""
