"""Known attacks on HTTP/2 servers, made and watched by processes of their own.

`kinds` is the table of what is sent; `control`, `blocks`, `requests`, `resets` and `stalls` say how
in words of `frames`. `attacker` sends it over plain sockets (`peer`), `target` is what is
attacked, `bystander` is another client and a prober of `/ping`, and `trial` brings the three
together and says what each of them saw. `visits` are clients that come, do one thing and go, and
`garbage` what they leave behind. Tests assert it, `bench.attacks` and `bench.crowds` print it.

All traffic stays on loopback, and every trial is bounded in seconds.
"""
