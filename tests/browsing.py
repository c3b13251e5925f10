"""A browser without scripts that looks closely: every page that it fetches must be a good page."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any, Self
from urllib.parse import urlencode, urljoin, urlsplit

from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from app.accounts.models import Person
from app.accounts.operations import start_session
from app.accounts.queries import primary_address
from app.mail.models import Mail

PASSWORD = "correct horse tiles"
"""Of everybody in the cast who has one."""

_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_INLINE = {"a", "b", "code", "em", "i", "label", "small", "span", "strong", "sub", "sup", "wbr"}
_SENT_BY_PRESSING = {"submit", "image", "button", "reset"}
_REFERENCES = ("aria-describedby", "aria-labelledby", "aria-controls", "for", "list")


class Element:
    """One element of a page, with what is in it."""

    def __init__(self, tag: str, attributes: Mapping[str, str], parent: "Element | None") -> None:
        self.tag = tag
        self.attributes = attributes
        self.parent = parent
        self.children: list[Element | str] = []

    def __getitem__(self, attribute: str) -> str:
        return self.attributes.get(attribute, "")

    def all(self, *tags: str) -> "list[Element]":
        """Return the elements below this one that have one of these tags, in their order; all of them, without tags."""
        return [element for element in self._below() if not tags or element.tag in tags]

    @property
    def text(self) -> str:
        """What can be read here, as one line."""
        return " ".join("".join(self._texts()).split())

    @property
    def ancestors(self) -> "Iterator[Element]":
        """What this element is in, from the inside out."""
        if self.parent is not None:
            yield self.parent
            yield from self.parent.ancestors

    def _below(self) -> "Iterator[Element]":
        # Pages are deep, and each step of a generator within generators goes through all of them.
        waiting = [child for child in reversed(self.children) if isinstance(child, Element)]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(child for child in reversed(element.children) if isinstance(child, Element))

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.tag not in {"script", "style", "title"}:
                yield from (child._texts() if child.tag in _INLINE else (" ", *child._texts(), " "))


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = self.here = Element("document", {}, None)
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        doubles = [name for name, count in Counter(name for name, _value in attrs).items() if count > 1]
        self.faults += [f"<{tag}> has {name} twice" for name in doubles]
        element = Element(tag, {name: value or "" for name, value in attrs}, self.here)
        self.here.children.append(element)
        if tag not in _VOID:
            self.here = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.here.tag != tag or self.here.parent is None:
            self.faults.append(f"</{tag}> closes <{self.here.tag}>")
            return
        self.here = self.here.parent

    def handle_data(self, data: str) -> None:
        self.here.children.append(data)


class Page:
    """A page as it was answered: its address, its status, and what is on it."""

    def __init__(self, response: TestResponse) -> None:
        self.status = response.status_code
        self.address = response.request.full_path.rstrip("?")
        self.headers = response.headers
        self.html = response.text
        builder = _Builder()
        builder.feed(self.html)
        self.root = builder.root
        self._faults = [*builder.faults, *([f"<{builder.here.tag}> is not closed"] if builder.here.parent else [])]

    @property
    def heading(self) -> str:
        """The text of the one heading of the page."""
        return self.root.all("h1")[0].text

    @property
    def title(self) -> str:
        """What the tab of the browser says."""
        return " ".join("".join(str(child) for child in self.root.all("title")[0].children).split())

    @property
    def text(self) -> str:
        """What can be read in the main part of the page."""
        return next(element.text for element in self.root.all("main"))

    @property
    def menu(self) -> list[str]:
        """The entries of the menu."""
        return [link.text for nav in self.root.all("nav") if nav["aria-label"] == "Main menu" for link in nav.all("a")]

    @property
    def links(self) -> dict[str, str]:
        """Where the links of the page lead, by their words."""
        return {link.text: link["href"] for link in self.root.all("a")}

    @property
    def tiles(self) -> list[str]:
        """The names on the tiles."""
        return [tile.all("a")[0].text for tile in self.with_class("tile")]

    @property
    def problems(self) -> list[str]:
        """What the summary at the top says is wrong."""
        return [item.text for summary in self.with_class("error-summary") for item in summary.all("li")]

    @property
    def banners(self) -> list[str]:
        """What the page says has just happened."""
        return [banner.text for banner in self.with_class("banner")]

    def with_class(self, name: str) -> list[Element]:
        """Return the elements that have this class."""
        return [element for element in self.root.all() if name in element["class"].split()]

    def value(self, name: str) -> str:
        """Return what the first field with this name holds."""
        return next(field["value"] for field in self.root.all("input") if field["name"] == name)

    def ticked(self, name: str) -> set[str]:
        """Return the values of the ticked boxes with this name."""
        return {
            field["value"]
            for field in self.root.all("input")
            if field["name"] == name and "checked" in field.attributes
        }

    @property
    def buttons(self) -> list[str]:
        """The words on the buttons of the main part."""
        return [button.text for main in self.root.all("main") for button in main.all("button")]

    def form_of(self, button: str) -> tuple[Element, Element]:
        """Return the button with these words and the form that it sends."""
        found = [one for one in self.root.all("button") if one.text == button]
        assert found, f"no button {button!r} at {self.address}, only {self.buttons}"
        # Of two with the same words, people see the later one: the first may be there for the Enter key.
        return found[-1], next(one for one in found[-1].ancestors if one.tag == "form")

    def faults(self) -> list[str]:
        """Return what is wrong with the page, as sentences; none for a good page."""
        looks = (self._bad_head, self._bad_defences, self._bad_ids, self._bad_fields, self._bad_forms, self._bad_links)
        return [*self._faults, *(fault for look in looks for fault in look())]

    def _bad_head(self) -> Iterator[str]:
        if [element["lang"] for element in self.root.all("html")] != ["en-GB"]:
            yield "the page does not say its language"
        headings = [element.text for element in self.root.all("h1")]
        if len(headings) != 1:
            yield f"a page has one h1, not {headings}"
        elif not self.title.removeprefix("Error: ").startswith(headings[0]):
            yield f"the title {self.title!r} does not begin with the heading {headings[0]!r}"
        if bool(self.problems) != self.title.startswith("Error: "):
            yield f"the title {self.title!r} does not go with the problems {self.problems}"
        if len(self.root.all("main")) != 1:
            yield "a page has one main part"

    def _bad_defences(self) -> Iterator[str]:
        for element in self.root.all():
            for attribute in element.attributes:
                if attribute.startswith("on") or attribute == "style":
                    yield f"<{element.tag}> has {attribute}, which the content security policy forbids"
        if "no-store" not in self.headers.get("Cache-Control", ""):
            yield "the page may be kept, and shown to the next person at this computer"
        if "default-src 'none'" not in self.headers.get("Content-Security-Policy", ""):
            yield "the page has no content security policy"

    def _bad_ids(self) -> Iterator[str]:
        ids = Counter(element["id"] for element in self.root.all() if "id" in element.attributes)
        yield from (f"the id {name!r} is there {count} times" for name, count in ids.items() if count > 1 or not name)
        for element in self.root.all():
            for attribute in _REFERENCES:
                for name in element[attribute].split():
                    if name not in ids:
                        yield f"{attribute} of <{element.tag}> names {name!r}, which is not there"
            if element["href"].startswith("#") and element["href"][1:] not in ids:
                yield f"a link leads to {element['href']}, which is not there"

    def _bad_fields(self) -> Iterator[str]:
        labelled = {label["for"] for label in self.root.all("label") if label.text}
        for field in self.root.all("input", "select", "textarea"):
            if field["type"] == "hidden" or field["type"] in _SENT_BY_PRESSING:
                continue
            if field["id"] not in labelled and not field["aria-label"]:
                yield f"the field {field['name'] or field['id']!r} has no label"
        for button in self.root.all("button"):
            if not button.text:
                yield "a button has no words"

    def _bad_forms(self) -> Iterator[str]:
        for form in self.root.all("form"):
            if form["method"] not in {"get", "post"}:
                yield "a form does not say its method"
            if "action" in form.attributes and not form["action"]:
                yield "a form has an empty action"
            token = [field for field in form.all("input") if field["name"] == "csrf_token" and field["value"]]
            if (form["method"] == "post") != (len(token) == 1):
                yield "a form that changes something carries one token, and no other form does"
            if not [one for one in form.all("button") if one["type"] == "submit"]:
                yield "a form has no button that sends it"

    def _bad_links(self) -> Iterator[str]:
        for link in self.root.all("a"):
            if not link["href"]:
                yield f"the link {link.text!r} leads nowhere"
            if not link.text:
                yield f"the link to {link['href']} has no words"
        for image in self.root.all("img"):
            if "alt" not in image.attributes:
                yield f"the image {image['src']} has no text instead"


class Browser:
    """Somebody's browser. Follows redirects, keeps cookies, and sends forms as they stand on the page."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.page: Page
        self.place = "127.0.0.1"

    def signed_in_as(self, person_id: str) -> Self:
        """Sign the person of the cast in without going through the form, which throttles."""
        token = start_session(Person.get(Person.public_id == person_id))
        with self.client.session_transaction() as session:
            session.clear()
            session["_user_id"] = token
            session["_fresh"] = True
        return self

    def sign_in(self, person_id: str, password: str = PASSWORD, *, path: str = "/sign-in") -> Page:
        """Fill in the form for signing in, and send it."""
        self.get(path)
        person = Person.get(Person.public_id == person_id)
        return self.press("Sign in", {"address": primary_address(person), "password": password})

    def get(self, path: str) -> Page:
        """Go to an address."""
        return self._arrived(self.client.get(path, follow_redirects=True, environ_overrides=self._from))

    def follow(self, words: str) -> Page:
        """Click the link with these words."""
        return self.get(urljoin(self.page.address, self.page.links[words]))

    def press(self, button: str, typed: Mapping[str, Any] | None = None) -> Page:
        """Press the button with these words, after typing `typed` over what the fields hold.

        A list or a set is what is ticked of the boxes with one name.
        """
        pressed, form = self.page.form_of(button)
        data = _held(form)
        if pressed["name"]:
            data[pressed["name"]] = pressed["value"]
        for name, value in (typed or {}).items():
            assert [field for field in form.all("input", "select", "textarea") if field["name"] == name], (
                f"there is no field {name!r} to type into at {self.page.address}"
            )
            data.setlist(name, [value] if isinstance(value, str) else list(value))
        action = urljoin(self.page.address, form["action"])
        if form["method"] == "get":
            return self.get(f"{urlsplit(action).path}?{urlencode(list(data.items(multi=True)))}")
        return self._sent(action, data)

    def post(self, path: str, data: Mapping[str, Any] | None = None) -> Page:
        """Send a hand-made form, with a good token."""
        return self._sent(path, MultiDict({**(data or {}), "csrf_token": self.token()}))

    def token(self) -> str:
        """Return the token against forged forms that belongs to this browser."""
        page = self.client.get("/forgotten-password", environ_overrides=self._from).text
        found = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)
        assert found, "no page gives a token"
        return found[1]

    @property
    def _from(self) -> dict[str, str]:
        return {"REMOTE_ADDR": self.place}

    def _sent(self, path: str, data: MultiDict[str, Any]) -> Page:
        return self._arrived(self.client.post(path, data=data, follow_redirects=True, environ_overrides=self._from))

    def _arrived(self, response: TestResponse) -> Page:
        page = Page(response)
        if response.mimetype == "text/html":
            faults = page.faults()
            assert not faults, f"{page.address} is not a good page: " + "; ".join(faults)
        self.page = page
        return page


def _held(form: Element) -> MultiDict[str, Any]:
    data: MultiDict[str, Any] = MultiDict()
    for field in form.all("input"):
        ticks = field["type"] in {"checkbox", "radio"}
        if field["name"] and (not ticks or "checked" in field.attributes):
            data.add(field["name"], field["value"])
    return data


def mailed_link(address: str) -> str:
    """Return the path of the link in the newest mail to `address`."""
    mail = Mail.select().where(Mail.to_address == address).order_by(Mail.id.desc()).get()
    found = re.search(r"^http://127\.0\.0\.1:8000(/\S+)$", mail.body, re.MULTILINE)
    assert found, mail.body
    return found[1]


def mails_to(address: str) -> list[str]:
    """Return the subjects of the mails to `address`, in their order."""
    return [mail.subject for mail in Mail.select().where(Mail.to_address == address).order_by(Mail.id)]
