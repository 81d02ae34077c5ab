"""Where trials run: fused cohorts, or alone, behind one small protocol."""
