"""How people see the admin's lists: the columns that each has chosen, and views that they share."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class ChosenColumns(models.Model):
    """The columns that a person has chosen for a list, in their order."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    list = models.CharField(max_length=100, help_text="The model's label, such as coins.fullcoin.")
    columns = models.JSONField(help_text="Names of columns.")

    class Meta:
        verbose_name = "choice of columns"
        verbose_name_plural = "choices of columns"
        constraints = [models.UniqueConstraint(fields=["user", "list"], name="one_choice_per_person_and_list")]

    def __str__(self) -> str:
        return f"{self.list}, {self.user}"


class NamedView(models.Model):
    """A list with its filters, search, order and columns, under a name that everybody can use."""

    list = models.CharField(max_length=100, help_text="The model's label, such as coins.fullcoin.")
    slug = models.SlugField(
        max_length=100, allow_unicode=True, help_text="The name as it stands in the view's address."
    )
    name = models.CharField(max_length=100)
    query = models.TextField(blank=True, help_text="The query of the list's address.")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "view of a list"
        verbose_name_plural = "views of lists"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["list", "slug"], name="one_view_per_list_and_slug")]

    def __str__(self) -> str:
        return self.name
