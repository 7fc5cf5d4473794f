"""A campaign of faults: kills, full disks, damaged input, changing files, dead clusters, races, growth.

    python -m tools.torture                      # 20 minutes; or: make torture
    python -m tools.torture --seed 7 --minutes 5 --only kill-point
    python -m tools.torture --seed 7 --repeat fuzz/png/1203

Every attempt has a name, ``KIND/WHAT/NUMBER``, and with the seed the name says all that is drawn. What happened is
printed as survived / tried; each fall with the command that repeats it.
"""
