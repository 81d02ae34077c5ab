"""The name under which earlier versions of KerasTuner had a `Tuner` of several executions."""

from paceline.compat.keras_tuner.engine.tuner import Tuner

MultiExecutionTuner = Tuner
