"""What the role makes of a host that is not as it left it, of nonsense, and of a host that leaves and comes back."""

from __future__ import annotations

import json

from fleet import Fleet, dying_slowly, must

from lab.deploy import recap, run_playbook

# What remove.yml has to have removed: files, addresses, routes, tables of nft, services.
LEFT_BEHIND = """
ls -d /etc/sroamd /opt/sroamd /etc/babeld.conf /etc/hostapd/*.conf /etc/hostapd/*.eap_users \\
  /usr/local/*/sroam* /etc/systemd/network/*sroamd* /etc/systemd/system/*sroamd* \\
  /etc/systemd/system/hostapd.service.d/* 2>/dev/null
ip -oneline address show dev wlan0 | grep inet
ip address show dev bb0 | grep -e '/32' -e '/128'
for each in 44 45 47; do ip route show table all proto $each; ip -6 route show table all proto $each; done
nft list tables | grep sroamd
systemctl is-active sroamd hostapd babeld sroamd-firewall | grep -v -e inactive -e failed
true
"""


def verify_repair(fleet: Fleet) -> None:
    """The agent of ap2 dies whenever it is started, as after a bad day by hand: the role puts a good one there."""
    good = fleet.release("ap2")
    for line in (
        "systemctl stop sroamd",
        "mkdir --parents /run/broken/bin && ln --symbolic --force /usr/bin/false /run/broken/bin/sroamd",
        "ln --symbolic --force --no-dereference /run/broken /opt/sroamd/current",
        "systemctl start --no-block sroamd",
    ):
        fleet.lab.run("ap2", ["sh", "-c", line])
    with dying_slowly(fleet, "ap2"):
        fleet.play("--limit", "ap2", "--tags", "agent", *fleet.upgraded)
    must(fleet.release("ap2") == good, f"ap2 has {fleet.release('ap2')}, not {good}")
    must(fleet.status("ap2")["healthy"] is True, fleet.status("ap2"))
    print("an agent that dies whenever it is started: the role replaces it")


def verify_what_was_cut_off(fleet: Fleet) -> None:
    """Files were written on ap2, and then the control machine went to sleep: the next run makes up for it."""
    services = {
        "babeld": "/etc/babeld.conf",
        "hostapd": "/etc/hostapd/hostapd.conf",
        "sroamd": "/etc/sroamd/sroamd.toml",
    }
    before = {name: fleet.process("ap2", name) for name in services}
    fleet.lab.run("ap2", ["touch", *services.values()])
    fleet.play("--limit", "ap2", *fleet.upgraded, "--extra-vars", "sroamd_restart_hostapd=false")
    now = {name: fleet.process("ap2", name) for name in services}
    must(now["babeld"] != before["babeld"], "babeld has not read its configuration")
    must(now["sroamd"] != before["sroamd"], "the agent has not read its configuration")
    must(now["hostapd"] == before["hostapd"], "hostapd was restarted, which was not wanted")
    fleet.play("--limit", "ap2", *fleet.upgraded)
    must(fleet.process("ap2", "hostapd") != before["hostapd"], "hostapd has not read its configuration")
    must(fleet.process("ap2", "babeld") == now["babeld"], "babeld was restarted again")
    print("files that nothing has read: read in the next run, by hostapd when it is allowed")


def verify_refusals(fleet: Fleet) -> None:
    """Neither hostapd nor babeld gets a file that it does not understand."""
    for variable in ("sroamd_hostapd_extra", "sroamd_babel_extra"):
        nonsense = json.dumps({variable: ["nonsense=1"]})
        status, output = fleet.play("--limit", "ap2", *fleet.upgraded, "--extra-vars", nonsense, check=False)
        must(status != 0, f"{variable} with nonsense in it was taken")
        must(recap(output)["ap2"]["changed"] == 0, f"{variable}: {recap(output)}")
    print("nonsense for hostapd and babeld: refused")


def verify_removal(fleet: Fleet) -> None:
    """ap2 leaves the fleet without a trace but its leases, and comes back."""
    run_playbook("remove.yml", fleet.inventory, "--limit", "ap2")
    left = fleet.lab.run("ap2", ["sh", "-c", LEFT_BEHIND]).stdout
    must(not left, f"remove.yml has left {left}")
    must("/var/lib/sroamd" in fleet.lab.run("ap2", ["sh", "-c", "ls -d /var/lib/sroamd"]).stdout, "the leases are gone")
    _, output = fleet.play(*fleet.upgraded)
    must(recap(output)["ap2"]["changed"] > 0, f"nothing was set up: {recap(output)}")
    must(fleet.status("ap2")["healthy"] is True, fleet.status("ap2"))
    print("ap2 taken out of the fleet, and back in it")


def verify_role(fleet: Fleet) -> None:
    verify_repair(fleet)
    verify_refusals(fleet)
    verify_what_was_cut_off(fleet)
    verify_removal(fleet)
