"""A lock on the phone, so that two studies never time on it at once: a lease in a file that only one can create.

The file holds the owner's token, the phone's boot and the second of its uptime until which the lease runs. The
phone's own clock decides: it cannot be set back, it is the same for all hosts, and a restart voids every older lease.
Each measuring command renews the lease at its start and checks at its end that it is still the owner's; a time whose
lock was lost is thrown away.

A lease that has run out is taken over by one at a time (a folder made by mkdir): look again, rename the file, look
whose it was, put it back if it was renewed meanwhile. A lock that stays stuck, because a process was killed in the
middle of that or of making it, can be forced, so nothing that a killed process leaves lasts.

Everything is a fragment of shell script for sh as Android has it (mksh with toybox). Programs are started only where
the shell itself cannot do it: a phone takes some 10 ms for each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FOLDER = "/data/local/tmp/mnas_moo"
"""All that is ever written on a phone lies under it."""

MARK = "@mnas_moo"
"""Begins the lines that are ours in the output of a script."""

ABANDONED_S = 900.0
"""The files of an owner who has not been seen for so long are removed; if it lives, it pushes them anew."""

_TOKEN = re.compile(r"[0-9A-Za-z-]+")


def prelude(token: str) -> str:
    """Functions for the scripts of the owner ``token``, whose files lie in ``$own``."""
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"token is {token!r}; it must be of letters, digits and hyphens")
    return f"""\
base={FOLDER} token={token}
own=$base/$token
clock() {{ read up rest < /proc/uptime; up=${{up%%.*}}; }}
look() {{ by= start= ends=; {{ read by start ends < $1; }} 2>/dev/null; }}
held() {{ look $base/lock; [ "$by" = $token ]; }}
over() {{ look $1; [ -n "$ends" ] && {{ [ "$start" != "$boot" ] || [ "$ends" -lt "$up" ]; }}; }}
lease() {{ echo "$token $boot $((up + $1))" 1<> $base/lock; }}  # in place: not emptied where the disk is full
renew() {{ clock; lease $1; echo "$boot $up" 1<> $own/seen; }}
create() {{ (set -C; : > $base/lock) 2>/dev/null && {{ lease $1 || rm -f $base/lock; }}; }}
end_program() {{
    pid=; {{ read pid < $1/pid; }} 2>/dev/null
    # A number is given to another process in time: it must still work on our files.
    [ -n "$pid" ] && {{ tr '\\0' ' ' < /proc/$pid/cmdline | grep -q -F "$1/" && kill -9 $pid; }} 2>/dev/null
}}
read boot < /proc/sys/kernel/random/boot_id
clock
"""


def acquire(lease_s: float, *, force: bool = False) -> str:
    """Tries once to get the lock, then removes what dead owners left; one marked line tells how it went.

    Args:
        lease_s: seconds for which it is held unless it is renewed.
        force: whether to take it from another owner.
    """
    lease = max(1, round(lease_s))
    return f"""\
mkdir -p $own
previous=; {{ read previous < $base/last; }} 2>/dev/null
{"rmdir $base/takeover 2>/dev/null; look $base/lock; rm -f $base/lock" if force else "by="}
if [ -n "$by" ]; then previous=$by; fi
if held; then
    renew {lease}  # the answer to an earlier command was lost
elif ! create {lease} && over $base/lock && mkdir $base/takeover 2>/dev/null; then
    if over $base/lock; then
        mv $base/lock $base/stale-$token
        if over $base/stale-$token; then
            previous=$by
            end_program $base/$by
            rm -rf $base/$by $base/stale-$token
        else
            [ -e $base/lock ] || mv $base/stale-$token $base/lock
        fi
    fi
    rmdir $base/takeover
    create {lease}
fi
if held; then
    rm -f $base/stale-*
    end_program $own
    for folder in $base/*/; do
        folder=${{folder%/}} start= seen=
        if [ $folder != $own ] && [ $folder != $base/takeover ]; then
            {{ read start seen < $folder/seen; }} 2>/dev/null
            if [ "$start" != "$boot" ] || [ $((up - ${{seen:-0}})) -gt {ABANDONED_S:.0f} ]; then
                end_program $folder
                rm -rf $folder
            fi
        fi
    done
    echo $token > $base/last
    echo "$boot $up" > $own/seen
    echo "{MARK} got $previous"
else
    rmdir $own 2>/dev/null
    echo "{MARK} wait ${{by:--}} $([ -n "$by" ] && ! over $base/lock || echo stuck)"
fi
"""


def guard(lease_s: float) -> str:
    """Begins a script that must hold the lock: renews it, or prints ``lost`` and ends the script."""
    return f'held || {{ echo "{MARK} lost"; exit 0; }}\nrenew {max(1, round(lease_s))}\n'


def check() -> str:
    """Ends such a script: prints ``lost`` if the lock was taken meanwhile."""
    return f'held || echo "{MARK} lost"\n'


def release() -> str:
    """Gives the lock back if it is held."""
    return "held && rm -f $base/lock\n"


def remove_all() -> str:
    """Removes the owner's files and lock, and the folder itself where no other owner's is left in it."""
    return """\
end_program $own
rm -rf $own
held && rm -f $base/lock
others=; for folder in $base/*/; do [ -d $folder ] && others=yes; done
[ -z "$others" ] && rm -f $base/last
rmdir $base 2>/dev/null
"""


@dataclass(frozen=True)
class Attempt:
    """How an ``acquire`` went.

    Attributes:
        held: whether the lock is ours now.
        owner: who had it before, or has it; empty: unknown.
        stuck: the lock is no good owner's, but it could not be had.
    """

    held: bool
    owner: str = ""
    stuck: bool = False


def attempt(output: str) -> Attempt | None:
    """Reads the marked line of ``acquire``; None: there is none."""
    for words in marked(output):
        if words[0] == "got":
            return Attempt(True, "".join(words[1:2]))
        if words[0] == "wait" and len(words) > 1:
            return Attempt(False, words[1], stuck="stuck" in words[2:])
    return None


def marked(output: str) -> list[list[str]]:
    """The words of every marked line, without the mark."""
    lines = [line.split() for line in output.splitlines()]
    return [words[1:] for words in lines if len(words) > 1 and words[0] == MARK]
