"""The parts of the interface, under KerasTuner's names for them."""
