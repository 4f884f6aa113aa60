from django.apps import AppConfig


class OtpostConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import checks, traces  # noqa: F401  (the first registers them)

        traces.begin()
