from threading import Thread

from app.accounts.models import Person
from app.kernel.database import changing, connected, reading
from app.vocabulary import PersonState


def close_everybody() -> None:
    with connected(), changing():
        Person.update(state=PersonState.CLOSED).execute()


def active() -> int:
    return Person.select().where(Person.state == PersonState.ACTIVE).count()


def test_what_is_read_together_is_of_one_moment(cast: None) -> None:
    with reading():
        before = active()
        elsewhere = Thread(target=close_everybody)
        elsewhere.start()
        elsewhere.join()
        assert before == active() > 0
    assert active() == 0
