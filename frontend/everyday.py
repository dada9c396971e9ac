"""Everyday words of the house languages: what a text in a language holds whatever it is about.

They tell the language of a line that is too short for letter statistics (`detect`), a shouted word from an
acronym (`normalize/letters.py`), and, where an abbreviation or an ordinal stands before them, the beginning of
a sentence from a name (`split`).
"""

# ruff: noqa: E501 - tables of words
from __future__ import annotations

# Words that are capital only where a sentence begins: articles, pronouns, prepositions, conjunctions, adverbs.
FUNCTION_WORDS = {
    tag: frozenset(words.split())
    for tag, words in {
        "en": "a all and as at because before but by every from he her here his how however if i in is it its later many most my "
        "not of on or our she since some that the their then there these they this those to we what when where which "
        "while who why with yet you your",
        "de": "aber alle als am an auch auf aus außerdem bei bis da dabei daher damals damit danach dann daran darauf darum das dem "
        "den denn dennoch der deshalb die dieser diese dieses doch dort du durch ein eine einem einen einer er es für gegen heute "
        "hier ich ihr ihre im in ist ja jede jeder jetzt kein keine man mein meine mit nach nachdem nein nicht noch nun nur ob obwohl "
        "oder ohne schon sehr sein seine seit sich sie sind so sogar spätestens trotzdem um und uns unser unsere unter viele vom von "
        "vor war während warum was weil welche wenn wer wie wir wo zu zum zur zwar über",
        "nl": "aan al als bij daar daarna dan dat de deze die dit doordat door dus een en er geen haar had heb heeft het hier hij hoe hoewel "
        "hun ik in is je jij jullie later maar men met mijn na naar niet nog nu of om omdat ons onze onder ook op over te tegen "
        "toch toen tot u uit van veel voor waar waarom wanneer want was wat we welke wie wij ze zij zijn zo zonder",
        "fr": "alors après au aussi aux avant avec ce ces cet cette chez comme comment dans de depuis des donc du elle elles en ensuite "
        "est et il ils je la le les leur leurs lorsque mais ma mes mon ne nos notre nous on or ou où par parce pas pendant pour "
        "pourquoi puis quand que qui quoi sa sans se ses si son sous sur ta te tes ton tous tout tu un une vers vos votre vous y",
    }.items()
}  # fmt: skip
# More words, short and frequent.
_OTHERS = {
    "en": "add ago any ask away bad be big boy bye can cry cut day did do don't don doing dog door end eat error far few fire for fly fun get girl "
    "go goes good got great had has have hello help hey hi him hit hot is isn job just keep know let look love lot man may me men "
    "more much new nice no now off oh ok okay old one only out own page please put read really red right run sad said say see "
    "set sit six so sorry stay stop sun take ten thank thanks they too top try two up us use very wait want was watch well were "
    "will win won word world would wow yes aren couldn didn doesn hasn haven shouldn wasn weren wouldn am",
    "de": "ach achtung ab bin bitte dank danke drei du ende fein fort fünf geh gib gut hab haben hallo halt hat hilfe hin ihm ihn ihnen komm los mal "
    "mehr mich mir moin morgen na neu neun nie null oh ok okay rad raus recht ruhe sag schau seid servus sieh stopp tag tschüss "
    "tun tut vielen voll vorsicht wach warm warte weg wird wirklich zwei",
    "nl": "af ben bent dag dank doe doei echt einde ga gaan gauw goed hallo heel help hem hoi ja jou kan kijk kom laat let man mee meer "
    "mij moet nee nooit oh ok oké pas rust stil stop tien toe twee uur vier vijf weg wel wil wordt zal zeg zeker zes ziet één",
    "fr": "ah ai aide allez allô as bas beau bien bon bonjour chut ciel deux dire dis dit dix eh elle eu eux fait feu fin fini fois gare haut "
    "hein jour jus là lui merci mot non nuit oh oui peu peut plus pied pleut quel roi salut sept six sois sont stop tard toi "
    "tôt trois très va vie viens vite vois vu ça été",
}  # fmt: skip
EVERYDAY = {tag: words | frozenset(_OTHERS[tag].split()) for tag, words in FUNCTION_WORDS.items()}
# Of these, acronyms when they stand alone in capitals.
ALSO_ACRONYMS = {"en": "who at", "fr": "ce sa"}
