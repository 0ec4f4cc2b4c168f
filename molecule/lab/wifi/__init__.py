"""Real Wi-Fi: a virtual machine whose kernel has simulated radios (mac80211_hwsim), for what `driver=wired` leaves out.

Debian's own kernel under QEMU's software emulation, so that it runs wherever QEMU does and needs no Wi-Fi and no KVM.
Everything is some 20 times slower in there than outside: it shows what happens, not how long it takes. Read image.py
for what is in the machine, vm.py for how it is talked to, fleet.py for the access points and stations inside.
"""
