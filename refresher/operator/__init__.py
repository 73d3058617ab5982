"""The refresher as a Kubernetes operator: one ClaudeCredential, one volume, one writer.

Four loops that never wait for each other, with a board of values between them:

    scheduler   the volume: looks every two seconds, starts an attempt when one is due.
                An API server that is away never delays a refresh.
    reporter    the cluster: makes the Secret, the pods, the status and the events say
                what the volume says, and repeats it every five minutes.
    watch       kopf: reports changes of the ClaudeCredential at once.
    checker     Anthropic: is the access token accepted? Asked at each new token, at a
                person's request, and once an hour.

The map, from the edge to the centre. A module imports only from lines below its own.

    process        start, signals, exit code
    health         `/healthz`, `/readyz`, `/metrics`
    scheduler | reporter | watch | checker
    board          what they share
    rights         what `doctor` asks the API server
    cluster        what is asked of the API server
    api            one API call, and every way in which its response can be wrong
    anthropic_api  the one question to Anthropic
    memory         the ClaudeCredential, remembered on the volume
    objects        pure: the Secret, the events, the pods' annotation
    events         pure: which events follow from a change of the status
    status         pure: what the CR says
    observation    pure: the volume in the CR's words
    check          pure: whether Anthropic accepts the token, and when to ask again
    resource       pure: the ClaudeCredential as a value
    backoff        pure: when to repeat a call that failed
"""
