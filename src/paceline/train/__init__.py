"""The engine: trains many networks at once as one compiled JAX program.

Terms, for developers:

- A *program* is the traced training step of a network structure with its constants (learning rate,
  dropout rate, class weights, ...) lifted out. Networks that differ only in such constants share a
  program, and so a compilation.
- A *merged program* is compiled at sizes at least as large as those of its networks, which may also
  differ in sizes (units, filters, ...), see `merging`.
- A *lane* is one slot of a *cohort*, in which the networks of a program train in lockstep: with its
  own constants, weights, batches and number of epochs. All lanes are one ``vmap`` of the program.

In the order of use: `build` (the user's model), `trace` (its steps; `trace_cache` where they are
known), `array_program` or `merged_program` (what is compiled), `lane_count`, `compile_level`,
`compiler`, `cohort`. `stream_program` and `stream_cohort` are the same for data that does not fit
on the device. Models that cannot be traced are trained with Keras ``fit``,
see `fit_only`.
"""
