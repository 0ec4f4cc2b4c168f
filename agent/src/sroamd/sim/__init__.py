"""The simulator: many real nodes (`core.node.Node`) in one process, in virtual time. One seed decides everything.

What is real: every decision of the agent, and where a scenario says so its codecs. What is modelled: the transport, the
disk, the kernel's routes, hostapd, the radio, the stations' DHCP and SLAAC, Babel, and everything that goes wrong.

    world     builds all of it, and moves stations about      clock     virtual time
    machine   one node with its disk, kernel and hostapd      network   connections between nodes, partitions
    station   a station; `dhcp_client` is its address         faults    what goes wrong, and when
    checks    what must hold always, and after a quiet time   scenario  a run: seed and scenario in, result out
    backbone  cables and switches; `babel` on its routers     trace     what happened, and its hash
    packets   where routes lead while they change             walk      shows a walk
"""
