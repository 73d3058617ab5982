"""Keeps the access token of a Claude login fresh, and warns before the login ends.

The `claude` CLI refreshes its access token itself, but only while it runs and only in
the last five minutes of the token's life. This package runs it at that moment and then
reads the credentials file to see whether the refresh really happened: the CLI's exit
code says nothing about it.

A `refresh` is what the CLI does to the token; an `attempt` is one run of the CLI that
was due, whether it refreshed or not.

The map, from the edge to the centre. A module imports only from lines below its own.

    __main__      the command line: `once`, `plan`, `status`, `import`, `operator`, `doctor`
    doctor        `doctor`: gathers facts, has them judged, prints the report
    operator      the same in a cluster, continuously: a package with its own map
    report        what `plan` and `status` show
    refresh       the use case: look, lock, check, run, verify, remember
    early         a refresh before the CLI would: another expiry in the file, for a moment
    claude_cli    the only subprocess
    reach         the way to Anthropic's hosts, and whom to trust on it
    preflight     could an attempt lose the login? then it does not start
    install       `import`: the only place that writes tokens
    lock          one writer per volume
    watch         did something appear in a directory, however briefly?
    files         reads and atomic writes of the two files
    mounts        what the kernel says is mounted where
    diagnosis     pure: what `doctor` concludes from facts
    facts         pure: those facts, as values
    decide        pure: what to do now, and when next
    verify        pure: what an attempt did, judged by the file alone
    history       pure: what is remembered between two runs
    credentials   pure: the CLI's file as a value
    outcome       pure: how an attempt can end, and what that means
    settings      pure: the environment as a value
    limits        pure: the durations that have to agree
"""
