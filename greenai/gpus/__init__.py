"""What the GPUs of this machine do: utilisation, energy by process and by project, idle share, and on fewer of them.

`sampler` looks at them through NVML, `recording` keeps what it saw as lines of a file, `energy` tells what each part
of the energy went to, `projects` whose calls it was, `packing` on how few GPUs the same work fits, and `summary` joins
all of it. `synthetic` makes up fleets whose energy is known. Nothing here changes anything on a GPU.
"""

from __future__ import annotations
