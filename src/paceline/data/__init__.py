"""Data: named data sets, files and arrays become validated arrays, fingerprints and splits."""

from paceline.data.describing import describe
from paceline.data.loading import OPTIONS, load
from paceline.data.preparation import Preparation, Scaling, TableFeatures
from paceline.data.records import Column, Dataset, DatasetInfo, Split, Stream, Task
from paceline.data.source_reader import Raw
from paceline.data.source_registry import DataRequest, register_source, register_type, source_names
from paceline.data.splits import prepare, split
from paceline.data.trees import Tree

__all__ = [
    "OPTIONS",
    "Column",
    "DataRequest",
    "Dataset",
    "DatasetInfo",
    "Preparation",
    "Raw",
    "Scaling",
    "Split",
    "Stream",
    "TableFeatures",
    "Task",
    "Tree",
    "describe",
    "load",
    "prepare",
    "register_source",
    "register_type",
    "source_names",
    "split",
]
