"""The executor on Ray: functions in actors of a cluster."""

from paceline.execute.ray.options import Ray

__all__ = ["Ray"]
