"""Keeps a Claude login fresh while it lives, and is loud before it ends.

The `claude` CLI renews its access token itself, but only while it runs and only in
the last five minutes of the token's life. This package runs it at that moment and
then reads the credentials file to see whether the renewal really happened: an exit
code of the CLI says nothing about it.

The map, from the edge to the centre. A module imports only from lines below its own.

    __main__      the command line: `once`, `plan`, `status`, `import`, `operator`
    operator      the same in a cluster, round the clock: a package with its own map
    report        what `plan` and `status` show
    refresh       the use case: look, lock, check, run, verify, remember
    claude_cli    the only subprocess
    preflight     would a run lose the login? then it does not start
    install       `import`: the only place that writes tokens
    lock          one writer in a volume
    files         reads and atomic writes of the two files
    decide        pure: what to do now, and when next
    verify        pure: what a run did, judged by the file alone
    state         pure: what is remembered between two runs
    credentials   pure: the CLI's file as a value
    outcome       pure: how a run can end, and what that means
    settings      pure: the environment as a value
"""
