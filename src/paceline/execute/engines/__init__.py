"""Several engines train one study of networks; see docs/design/0032-several-engines.md.

The driver is the process of the study. An engine is a process with an executor of its own. They
exchange messages, which a transport carries.
"""
