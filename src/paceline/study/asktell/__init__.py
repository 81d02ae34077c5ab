"""Ask and tell: a study whose user runs the trials and reports their scores."""

from paceline.study.asktell.open_study import OpenStudy

__all__ = ["OpenStudy"]
