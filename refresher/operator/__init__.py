"""The refresher as a Kubernetes operator: one ClaudeCredential, one volume, one writer.

Two loops that never wait for each other, and values between them:

    scheduler   the volume: looks every two seconds, starts a try when one is due.
                Makes no API call, so a cluster that is away holds up no renewal.
    reporter    the cluster: makes the Secret, the pods, the status and the events
                say what the volume says, and repeats it every five minutes.

The map, from the edge to the centre. A module imports only from lines below its own.

    handlers    kopf: start, log in, hear of the CR, stop. Nothing else of kopf is used
    health      `/healthz`, `/readyz`, `/metrics`
    scheduler | reporter
    cluster     the only API calls
    objects     pure: the Secret, the events, the pods' annotation
    events      pure: which events follow from a change of the status
    status      pure: what the CR says
    resource    pure: the ClaudeCredential as a value

kopf's timers, daemons and create or update handlers are not used: they put a finalizer
and copies of the spec on the CR, and would need rights to patch it.
"""
