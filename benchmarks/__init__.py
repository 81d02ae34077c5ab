"""Programs that measure Paceline against its peers and write down what they found
(`RESULTS.md`).
"""
