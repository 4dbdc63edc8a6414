"""Makes several rejected records one. It is no migration: Django skips modules whose name begins so."""


def merge(records):
    """Keep the one that came last, with what the others know. Returns its key.

    It counts for all of them, came first when the first of them did, and is ignored if one of them is.
    """
    facts = [*records.order_by("last_seen_at", "pk").values("pk", "status", "count", "first_seen_at")]
    *others, newest = facts
    if others:
        records.filter(pk__in=[one["pk"] for one in others]).delete()
        records.filter(pk=newest["pk"]).update(
            status="ignored" if any(one["status"] == "ignored" for one in facts) else newest["status"],
            count=sum(one["count"] for one in facts),
            first_seen_at=min(one["first_seen_at"] for one in facts),
        )
    return newest["pk"]
