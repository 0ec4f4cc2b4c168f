#!/bin/sh
# Files, units and programs of a host as the role leaves them: verify_host.sh ap|server
set -eu
kind=$1

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

await() { # await WHAT COMMAND...: until the command succeeds, for ten seconds
  what=$1
  shift
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "missing: $what"
    sleep 0.1
  done
}

another_babeld() {
  now=$(systemctl show --value --property MainPID babeld.service)
  [ "$now" -gt 0 ] && [ "$now" != "$first" ]
}

network() {
  ip -oneline -4 route show proto babel | sort
  ip -oneline -6 route show proto babel | sort
  ip -brief address show
}

ends() { # on a gateway, where packets for no station end
  ip -4 route show proto 46
  ip -6 route show proto 46
}

as_before() {
  [ "$(network)" = "$before" ]
}

settled() { # routes of both families, none being retracted, and the same a second later
  before=$(network)
  echo "$before" | grep --quiet ' via [0-9.]* ' || return 1
  echo "$before" | grep --quiet ' via fe80:' || return 1
  ! echo "$before" | grep --quiet unreachable || return 1
  sleep 1
  as_before
}

modes() { # modes PATH... as owner:group:mode
  stat --format '%n %U:%G:%a' "$@"
}

# Secrets and what only root and the agent may see.
modes /etc/sroamd /etc/sroamd/sroamd.toml | grep --quiet '^/etc/sroamd root:sroamd:750$' || fail "mode of /etc/sroamd"
modes /etc/sroamd/sroamd.toml | grep --quiet ' root:sroamd:640$' || fail "mode of sroamd.toml"
if [ "$kind" = ap ]; then
  for file in /etc/hostapd/hostapd.conf /etc/hostapd/sroamd.eap_users; do
    modes "$file" | grep --quiet ' root:root:600$' || fail "mode of $file"
  done
fi

# Units that systemd finds nothing wrong with.
units="sroamd.service sroamd-firewall.service babeld.service"
# shellcheck disable=SC2086 # a list of words
complaints=$(systemd-analyze verify --man=no $units 2>&1 | grep --extended-regexp '(sroamd|babeld)[^ ]*:' || true)
[ -z "$complaints" ] || fail "$complaints"
systemd-analyze security --threshold=30 --no-pager sroamd.service >/dev/null || fail "exposure of sroamd.service above 3.0"

# The agent runs as its own user, with three capabilities and no way to more.
pid=$(systemctl show --value --property MainPID sroamd.service)
grep --quiet '^NoNewPrivs:[[:space:]]1$' "/proc/$pid/status" || fail "the agent may gain privileges"
# CAP_NET_BIND_SERVICE (10), CAP_NET_ADMIN (12), CAP_NET_RAW (13)
grep --quiet '^CapBnd:[[:space:]]0000000000003400$' "/proc/$pid/status" || fail "capabilities of the agent"
[ "$(stat --format %U "/proc/$pid")" = sroamd ] || fail "user of the agent"

# What is enabled starts again after a boot.
systemctl is-enabled --quiet sroamd sroamd-firewall babeld systemd-networkd || fail "a service is not enabled"

# A babeld that dies comes back, and so do its routes. Debian's own script would leave it dead.
await "Babel's routes" settled
before=$(network)
first=$(systemctl show --value --property MainPID babeld.service)
[ "$first" -gt 0 ] || fail "babeld does not run"
kill -KILL "$first"
await "another babeld" another_babeld
await "the routes of another babeld" as_before

# Reloading the packet filter of the system flushes our table; it is there again at once.
systemctl start nftables
systemctl reload nftables
await "the packet filter after a reload of nftables" nft list table inet sroamd
systemctl restart nftables
await "the packet filter after a restart of nftables" nft list table inet sroamd
[ "$kind" != ap ] || await "the source guard after a restart of nftables" nft list chain inet sroamd-guard from_station

# A changed .network file costs neither a route nor an address, nor a nexthop object that is not networkd's.
ends=$(ends)
[ "$kind" = ap ] || [ "$(echo "$ends" | grep --count '^unreachable ')" = 2 ] || fail "routes of a gateway: $ends"
ip nexthop add id 7 dev bb0 protocol 99
for file in /etc/systemd/network/10-sroamd-*.network; do
  echo '# changed' >>"$file"
done
ip -oneline monitor address >/run/changes &
monitor=$!
sleep 0.2
systemctl restart systemd-networkd
sleep 2
kill "$monitor"
as_before || fail "a restart of networkd changed $before to $(network)"
[ "$(ends)" = "$ends" ] || fail "a restart of networkd changed $ends to $(ends)"
ip nexthop delete id 7 || fail "a restart of networkd removed a nexthop object"
! grep '^Deleted.* inet' /run/changes || fail "a restart of networkd took an address away for a moment"
sed -i '/^# changed$/d' /etc/systemd/network/10-sroamd-*.network
systemctl restart systemd-networkd
