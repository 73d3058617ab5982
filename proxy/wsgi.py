"""What gunicorn serves: the application of this process's environment."""

import os

from proxy import app, settings

proxy = app.Proxy(settings.Settings.from_environ(os.environ))
application = proxy.wsgi
