"""Programs that our own interpreter runs, one process each; they alone know Paceline's face and
engine.
"""
