#!/bin/sh
# What a station does with its DHCP lease: udhcpc calls this with the event as argument and the options in the
# environment. Sets addresses and routes, and writes what happened to $LAB_STATE. Never touches resolv.conf.
#
# shellcheck disable=SC2154 # udhcpc sets them
set -eu

event=$1

# RFC 3442: destination and gateway in turn; 0.0.0.0 stands for "on the link". The router option is ignored then.
set_routes() {
  routes=${staticroutes:-0.0.0.0/0 ${router%% *}}
  # shellcheck disable=SC2086 # a list of words
  set -- $routes
  while [ $# -ge 2 ]; do
    if [ "$2" = 0.0.0.0 ]; then
      ip -4 route replace "$1" dev "$interface" scope link src "$ip"
    else
      ip -4 route replace "$1" via "$2" dev "$interface" src "$ip" onlink
    fi
    shift 2
  done
}

# Addresses of an earlier lease go, this one stays without a gap.
set_address() {
  for old in $(ip -4 -o address show dev "$interface" scope global | awk '{print $4}'); do
    [ "$old" = "$ip/$mask" ] || ip -4 address del "$old" dev "$interface"
  done
  ip -4 address replace "$ip/$mask" dev "$interface"
}

write_lease() {
  {
    echo "address=$ip/$mask"
    echo "server=${serverid:-}"
    echo "seconds=${lease:-0}"
    echo "router=${router:-}"
    echo "routes=${staticroutes:-}"
    echo "nameservers=${dns:-}"
  } >"$LAB_STATE/lease.new"
  mv "$LAB_STATE/lease.new" "$LAB_STATE/lease"
}

case $event in
  deconfig)
    rm -f "$LAB_STATE/lease"
    ip -4 address flush dev "$interface" scope global
    ;;
  bound | renew)
    set_address
    if [ -n "${staticroutes:-}${router:-}" ]; then
      set_routes
    fi
    write_lease
    ;;
esac
echo "$event" >>"$LAB_STATE/events"
