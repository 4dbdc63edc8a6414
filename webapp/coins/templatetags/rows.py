"""Addresses of rows for templates: `{{ row|address_of:"history" }}`."""

from django.template import Library

from webapp.coins.admin.formats import address_of

register = Library()
register.filter("address_of", address_of)
