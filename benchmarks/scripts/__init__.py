"""Scripts for KerasTuner, as people write them; `benchmarks.kt_scripts` runs them."""
