"""The words and sentences that rating prompts are made of: written for this purpose, copied from nowhere."""

from __future__ import annotations

__all__ = ["CHAT", "ENTRY", "LISTS", "PAGE"]

LISTS: dict[str, tuple[str, ...]] = {
    "place": (
        "the harbour town of Wessel", "the upper Orla valley", "the island of Brenn", "the old mill quarter",
        "the plateau above Tarnow", "the railway suburb of Eastbrook", "the delta south of Marl", "the pass at Corrin",
        "the salt marshes near Hove End", "the university district", "the lakeside village of Ostra",
        "the border county of Fell",
    ),
    "thing": (
        "the grain store", "the tide mill", "the district library", "the cable ferry", "the weather station",
        "the glass works", "the public baths", "the botanical garden", "the signal tower", "the stone bridge",
        "the fish market", "the night bus", "the water tower", "the community kitchen", "the bicycle workshop",
    ),
    "people": (
        "the members of the council", "two retired engineers", "the pupils of the evening school", "local growers",
        "a small group of volunteers", "the harbour masters", "several families", "the carpenters' guild",
        "the nurses of the ward", "the surveyors", "the owners of the workshop", "a choir of forty singers",
    ),
    "quality": (
        "reliable", "unusually quiet", "cheaper to run than expected", "older than the records say", "hard to repair",
        "popular in winter", "well documented", "open to everybody", "half empty on weekdays", "short of storage",
        "easy to reach on foot", "exposed to the wind",
    ),
    "reason": (
        "because the river freezes early", "since the road was widened", "after the third flood in a decade",
        "as the price of coal rose", "because spare parts were scarce", "once the new timetable was in force",
        "although nobody had asked for it", "while the roof was being renewed", "because of a dispute over the lease",
        "as the number of visitors doubled",
    ),
    "act": (
        "repaired", "measured", "closed for a season", "moved to higher ground", "painted in two colours", "extended",
        "sold to a cooperative", "insured for the first time", "opened to visitors", "drawn to scale", "photographed",
        "rebuilt from local timber",
    ),
    "field": (
        "soil chemistry", "timetable planning", "bread baking", "bird counts", "bookkeeping", "bridge maintenance",
        "beginners' statistics", "hospital logistics", "garden design", "radio repair", "map drawing", "choir practice",
    ),
    "form": (
        "a letter of one page", "a list of five points", "a short table", "two paragraphs", "a calm reply",
        "a plan for one week", "a summary for a newcomer", "a set of questions for an interview",
    ),
    "season": ("early spring", "late summer", "the first week of October", "the dark months", "the harvest weeks"),
    "number": ("three", "seven", "twelve", "nineteen", "twenty-six", "forty", "fifty-eight", "ninety", "140", "310"),
    "year": ("1849", "1874", "1903", "1921", "1938", "1956", "1967", "1979", "1988", "1996", "2004", "2013"),
}  # fmt: skip

ENTRY: tuple[str, ...] = (
    "In {year}, {thing} in {place} was {act} {reason}.",
    "{people} kept a register of {field} there, of which {number} volumes remain.",
    "The building was {quality}, and {people} used it until {year}.",
    "A survey in {season} of {year} counted {number} households in {place}.",
    "Part of {thing} was later {act}, and the rest stands beside {thing}.",
    "According to the annual report, {thing} was {quality} {reason}.",
    "The name goes back to {people}, who settled in {place} around {year}.",
    "Between {year} and {year} the cost of upkeep rose by {number} per cent.",
    "Its archive describes {field} in detail and was {act} in {year}.",
    "Visitors reach {place} by way of {thing}, which is {quality}.",
    "{number} of the original drawings show how {thing} was {act}.",
)

PAGE: tuple[str, ...] = (
    "We are happy to say that {thing} is open again in {season}.",
    "Please book early: last year {number} places were gone within a week.",
    "Our course in {field} is held by {people} and needs no experience.",
    "Bring sturdy shoes, since the way from {place} is {quality}.",
    "Tickets cost {number} crowns; {people} enter free of charge.",
    "Many readers asked why {thing} was {act}; the short answer is that it happened {reason}.",
    "Our shop in {place} has {number} items on {field}, all of them {quality}.",
    "The next meeting is about {field}, and {people} will report.",
    "Parking is scarce {reason}, so take the tram to {thing}.",
    "What our guests say: the stay was {quality}, and breakfast near {thing} was a pleasure.",
    "Opening hours change in {season}; call before you come to {place}.",
)

CHAT: tuple[str, ...] = (
    "I help {people} with {field}, and in {season} we have {number} requests a day.",
    "Please write {form} that explains why {thing} was {act}.",
    "Keep in mind that {place} is {quality} and that the budget covers {number} hours.",
    "Last time the answer was too long, so leave out what {people} know already.",
    "My second question is about {field}: how would you begin, and what would you leave for later?",
    "Here is what I have so far: {thing} was {act} {reason}, and nobody wrote down who decided it.",
    "Compare {thing} with {thing} and say which of them is {quality}.",
    "If something is unclear, state the assumption that you make about {place}.",
    "The readers are {people}; they know little about {field} but a lot about {thing}.",
    "Finish with {form}, and name the {number} facts that matter most.",
    "I tried this in {year} {reason}, and the result was {quality}.",
)
