"""Makes the plan of a study from its definition."""

from paceline.settings.function import FUNCTION
from paceline.study.plan.definition import Definition
from paceline.study.planned.protocol import Plan


def make_plan(definition: Definition) -> Plan:
    """The plan of a study; writes nothing.

    Raises:
        InvalidInput: anything that cannot be used.
    """
    if definition.settings.function.kind == FUNCTION:
        from paceline.study.plan.function_plan import plan_function

        return plan_function(definition)
    from paceline.study.plan.network_plan import plan_networks

    return plan_networks(definition)
