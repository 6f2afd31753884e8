"""The languages whose small words are known, and a guess which of them a text is in."""

from collections import Counter
from collections.abc import Iterable


def word_set(words: str) -> frozenset[str]:
    """Make a set of words written one after another."""
    return frozenset(words.split())


STOP_WORDS: dict[str, frozenset[str]] = {
    "en": word_set(
        """
        a about above after again against ago all almost along already also although always am among an and another any
        are aren't around as at away back be because been before being below between both but by came can can't cannot
        come could couldn't did didn't do does doesn't doing don't done down during each either else enough even ever
        every few first for from further get gets getting go goes going gone got had hadn't has hasn't have haven't
        having he her here hers herself him himself his how however i i'd i'll i'm i've if in into is isn't it it's its
        itself just keep kept last least less let like made make makes many may me might more most much must my myself
        near need neither never next no nobody none nor not nothing now of off often on once one only onto or other
        others our ours out over own per perhaps please put quite rather really said same say says see seem seems
        several shall she should since so some something soon still such take taken takes than that that's the their
        theirs them themselves then there there's therefore these they they're thing things this those though three
        through thus to today together too took towards two under until up upon us use used using very was wasn't way we
        we're we've well went were weren't what when where whether which while who whole whom whose why will with
        within without won't would wouldn't yes yet you you'll you're you've your yours yourself
        """
    ),
    "de": word_set(
        """
        ab aber alle allem allen aller alles als also am an andere anderen auch auf aus bei beim bereits bin bis bitte
        da dabei dadurch dafür damit danach dann darauf das dass davon dazu dein dem den denn der deren des dessen die
        dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es etwa etwas euch
        euer fast für gab ganz gegen gegenüber gibt hat hatte hatten habe haben hier hin hinter ich ihm ihn ihnen ihr
        ihre ihrem ihren ihrer im immer in ins ist ja jede jedem jeden jeder jedes jetzt kann kein keine keinem keinen
        können könnte machen man mehr mein meine mich mir mit muss musste müssen nach nachdem nicht nichts noch nun nur
        ob oder ohne schon sehr sein seine seinem seinen seiner seit selbst sich sie sind so sogar soll sollen sollte
        sondern sonst sowie trotz über um und uns unser unsere unter viel viele vom von vor war waren warum was wegen
        weil weiter welche wenn wer werden wie wieder will wir wird wo wurde wurden während zu zum zur zwei zwischen
        """
    ),
    "fr": word_set(
        """
        à ai ainsi après au aucun aussi autre aux avant avec avoir c'est car ce cela ces cet cette chez comme dans de
        des deux dont du elle elles en encore entre est et été être eu fait il ils je jusqu la le les leur leurs lors
        lui mais même mes moins mon ne nos notre nous on ont ou où par pas pendant peu peut plus pour qu que quel quand
        qui sa sans se ses si son sont sous sur ta tes toi ton tous tout toute très tu un une vers vos votre vous y
        """
    ),
    "es": word_set(
        """
        a al algo antes así aunque cada como con contra cual cuando de del desde donde dos durante e el ella ellas
        ellos en entre era es esa ese eso esta está estas este esto estos fue ha hace han hasta hay la las le les lo los
        más me mi mientras mismo mucho muy no nos nuestra nuestro o otra otro para pero poco por porque que qué quien se
        según ser si sí sin sobre son su sus también tan tanto te tiene todo todos tras tu un una uno unos y ya yo
        """
    ),
}


def guess_language(folded_words: Iterable[str]) -> str | None:
    """Guess the language from its small words.

    Returns:
        ``en``, ``de``, ``fr`` or ``es``; ``None`` when fewer than three words in twenty are small words of any of them.
    """
    counts = Counter(folded_words)
    hits = {
        language: sum(count for word, count in counts.items() if word in small_words)
        for language, small_words in STOP_WORDS.items()
    }
    best = max(hits, key=lambda language: hits[language])
    return best if hits[best] * 20 >= 3 * counts.total() and hits[best] else None
