"""Programs for networks that differ in sizes, such as their numbers of units.

Networks whose traced steps have the same equations and differ in sizes only are one program, in
sizes at least as large as all of theirs. Each lane has its own sizes as numbers. Weights are padded
with zeros; where padding could reach other values it is masked first. So every network trains as it
does alone, to float tolerance.

In the order of use: `flat_step` (a step as a list of equations), `axes` and `relations` (which axes
are the same), `structure` (the independent sizes of networks), `layout` (where their values lie in
the program), `evaluation`, and the rules of primitives, see `rule`.
"""
