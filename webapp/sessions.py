"""Sessions as Django keeps them in the database, whatever a cookie says."""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str) -> bool:
        """A cookie can hold a NUL, which PostgreSQL cannot even be asked for: that is no key of ours."""
        return "\0" not in str(key) and super()._validate_session_key(key)  # type: ignore[misc]  # Django's own, and not in its stubs
