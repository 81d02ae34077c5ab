"""How much of the machine's memory data may occupy before they are streamed."""

SHARE = 0.25
"""Share of the free memory that data which arrive in batches may occupy."""


def data_memory() -> int:
    """Bytes that data may occupy: `SHARE` of the free memory of this machine."""
    import psutil

    return int(psutil.virtual_memory().available * SHARE)


def in_mib(num_bytes: float) -> str:
    """An amount of memory as text."""
    mib = num_bytes / 2**20
    if mib < 0.1:
        return "under 0.1 MiB"
    return f"{mib:,.0f} MiB" if mib >= 10 else f"{mib:.1f} MiB"
