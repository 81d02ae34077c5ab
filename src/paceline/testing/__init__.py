"""Contract suites that every new strategy, schedule, store or executor passes by supplying one
fixture.
"""
