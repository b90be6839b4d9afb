"""Phones on loopback that speak adb's protocol to the real adb server: for tests, and for trying things out.

Source: Android's packages/modules/adb (protocol.txt, SYNC.TXT, shell_protocol.h) and LiteRT's benchmark_model. Unlike
an emulator there is no Android: a phone is a folder with what ``/system/bin``, ``/sys``, ``/proc`` and ``dumpsys`` of
a Pixel say, commands are run in that folder by mksh and toybox, which are Android's own (bash and coreutils where this
machine has them not), and ``benchmark_model`` is a stand-in that really runs the pushed model in LiteRT here and
prints what the real tool prints, LiteRT's own or TensorFlow Lite's, with times multiplied by a factor and put at the
model's fastest so far: what else this machine does is not the phone's.
Commands run with your rights on your machine, for connections of your own processes only.

    from mnas_moo.objectives.virtual_phone.phones import VirtualPhones

    with VirtualPhones(count=3, models=["Pixel 6", "Pixel 6", "Pixel 4"]) as phones:
        os.environ.update(phones.environment)    # ANDROID_ADB_SERVER_PORT and more (in tests: monkeypatch.setenv)
        phones.benchmark_model                   # the stand-in's file, to be pushed like the real binary
        phones[0].serial, phones[0].model        # "127.0.0.1:23456", "Pixel 6"
        phones[0].fault("crash", times=1)        # the next run of benchmark_model dies of a signal
        phones[0].clear()                        # no faults any more; a phone that is offline comes back
        phones[0].files()                        # what lies in /data/local/tmp: [] if nothing was left behind
        phones[0].log                            # what it did: Event(kind, text, start, end, result)
        phones[0].root / "data/local/tmp"        # the phone's files, on this machine
        phones[0].pass_time(60)                  # its clock is a minute ahead: leases end, and it has cooled
        phones.server.kill()                     # as adb kill-server, but harder; ...start() starts it again
        phones.connect()                         # after that: has the server connect to all phones again
        phones.server.run("devices", "-l")       # the adb client

``VirtualPhones(..., latency_ms=lambda model: len(model) / 1e6)`` runs no models: an inference of a file takes as many
milliseconds as the function says (times the phone's ``time_factor``), at once: for known answers on a noisy machine.

Faults: ``fault(name, times, **settings)`` affects the next ``times`` operations, or all until ``clear(name)``.

offline
    The connection is lost: at once, in the next push (``during="push"``), or 0.1 s into the next run of
    benchmark_model (``during="run"``). The phone can be connected to again after ``seconds`` (1; ``math.inf``: when
    cleared). What runs on it loses its standard streams and gets SIGHUP, no more.
reboot
    The same (``seconds``: 2), and all its processes are killed; it has another boot id then, and counts from 0.
unauthorized
    Nobody has confirmed the dialog: adb says "unauthorized". Counts connections; clearing it confirms the dialog.
another_model
    Until it is cleared another phone, a ``model`` ("Pixel 4"), is there under the same serial.
disk_full, permission_denied
    Pushes fail with "No space left on device" or "Permission denied"; each push counts. While it is on, so do the
    shell's mkdir, touch, cp, mv, ln, tee and mktemp, and ``> file`` at the first byte. With ``during="run"``
    permission_denied is instead for running benchmark_model (exit code 126).
wrong_abi
    Running benchmark_model: "not executable: 64-bit ELF file", exit code 126.
crash
    benchmark_model dies of a ``signal`` (11: exit code 139) after warm-up.
hang
    benchmark_model never ends.
garbage, zero, truncated
    It prints nonsense, or times of 0, or ends within the line of the runs (``at="count"``) or within the last figure
    of all (``at="timings"``); exit code 0.
fallback
    Its GPU or NPU, which takes a quarter of the CPU's time where its library lies on the phone and is on
    LD_LIBRARY_PATH, runs only a ``share`` (0.5) of the nodes; None: benchmark_model does not say how many.
spike
    One of its runs takes ``factor`` (20) times as long.
busy
    All its runs take ``factor`` (2) times as long; load and CPU use are high.
throttling
    Each benchmark_model warms the phone by ``rise`` (0.34 of the hottest), and the warmer it is, the longer runs take
    (up to ``factor``, 1.5) and the lower are the frequencies; it cools exponentially (``cooling_seconds``: 5), or at
    once when this is cleared.
never_cools
    It is always as warm as ``temperature_c`` (55).
screen_on, battery_low
    What dumpsys says of it (``level``: 5).

What adb does meanwhile, and a program has to live with: after a lost connection the server (36) lists the phone as
"offline" and tries again by itself after 0.25 s, then every 3 s; after a minute it forgets the phone. Meanwhile
``adb connect`` says "already connected", while ``adb disconnect`` and then ``adb connect`` get the phone back as soon
as it is there. A server that was killed knows no phones of the network any more.
"""
