"""What a request wants that a stored answer cannot give: something done, something new, something of one's own.

All texts here are in lower case, quoted parts are already `""`, and every pattern starts at a word.
"""

from __future__ import annotations

import re

from greenai.cache.gates import Gate

__all__ = ["CREATIVE", "PAYLOAD", "is_action", "is_new", "is_personal", "opened", "supposed", "worked_on"]


def _one_of(words: str) -> str:
    return "(?:" + "|".join(words.split()) + ")"


# --- how a request begins -----------------------------------------------------------------

_POLITE = re.compile(
    r"\W*(?:(?:hi|hello|hey|ok|okay|so|now|thanks|please|pls|kindly|quick question|just|well|alexa|siri|google|"
    r"computer|assistant|there|then|and|also|immediately|sorry|good (?:morning|evening|afternoon))\b[\s,!.:;-]*)*"
    r"(?:(?:can|could|would|will) (?:you|u) (?:please |kindly |just |quickly |also )*|go ahead and |"
    r"i(?:'d| would|'ll)? ?(?:really |just )?(?:like|love|want|need|must|have|wish|got|"
    r"ought)(?: for)? (?:you )?to |i (?:must|should|will) |"
    r"i (?:wanna|gotta) |help me (?:to )?|let's |you (?:need|have) to |you (?:must|should) |"
    r"(?:please )?make sure (?:to |you )|"
    r"(?:know|see|hear|understand|learn|find out|figure out|check|look up|look and see)[, ]+(?:please )?(?=(?:who|"
    r"what|when|where|which|why|how|if|whether)\b)|"
    r"(?:do you know|(?:tell|inform|remind|advise) me|let me know|i(?:'m| am) (?:curious|wondering)|i wonder|"
    r"any idea)[, ]+(?:please )?"
    r"(?=(?:who|what|when|where|which|why|how|if|whether)\b)|(?:if|whether) (?:you know |you could |"
    r"you can )?(?=(?:who|what|when|where|which|why|how|the|there|it)\b)|"
    r"would you mind |mind (?:telling me )?)*"
    r"(?:please |kindly |just |quickly )*"
)
_TASKS = _one_of(
    "translate summari[sz]e proofread paraphrase rephrase rewrite reword correct edit fix improve shorten simplify "
    "classify categori[sz]e label tag extract parse format convert analy[sz]e review spell-?check grade evaluate "
    "explain transcribe sort order count reverse capitali[sz]e anonymi[sz]e redact punctuate continue complete debug "
    "refactor identify detect find list render turn change make what which how is does answer given"
)
PAYLOAD = re.compile(
    rf"(?P<head>(?=\W*(?:(?:please|can you|could you|now)\s+)*{_TASKS}\b)[^:\n]{{1,160}})(?::\s*\S|:?\n).*", re.DOTALL
)
_WORKED_ON = re.compile(
    r"(?:translate|render|put) (?!.*\b(?:today's|yesterday's|latest|my|our)\b).{1,300}\b(?:to|into|in|from) "
    r"(?!(?:the|a|an|my|it)\b)\w+|how (?:do|would|can) (?:you|i|we|people) say\b|"
    r"what(?:'s| is) .{1,80}\b(?:in|called in) (?:french|spanish|german|italian|portuguese|dutch|latin|greek|arabic|"
    r"chinese|mandarin|japanese|korean|russian|polish|turkish|hindi|swedish)\W*$|"
    r"(?:define|spell|conjugate|decline|pronounce|hyphenate|rhyme)\b|what(?:'s| is) the (?:meaning|definition|plural|"
    r"opposite|synonym|antonym|past tense|etymology|origin) of\b|what do(?:es)? .{1,80}\bmean\W*$"
)
_ON_TEXT = re.compile(
    r"\W*(?:translate|summari[sz]e|proofread|paraphrase|rephrase|rewrite|reword|correct|edit|shorten|simplify|"
    r"classify|"
    r"categori[sz]e|label|extract|parse|format|analy[sz]e|grade|transcribe|identify|detect|explain)\b"
    r"(?!.*\b(?:today's|yesterday's|latest (?:news|headlines?))\b)"
)


def opened(text: str) -> str:
    """Return the text without greetings, politeness and the like before what is asked."""
    found = _POLITE.match(text)
    return text if found is None else text[found.end() :]


def worked_on(head: str, *, given: bool) -> bool:
    """Say whether a text that came along is worked on, or a word is asked about as a word."""
    if _WORKED_ON.match(head) is not None:
        return True
    return given and _ON_TEXT.match(head) is not None


# --- something done -----------------------------------------------------------------------

# What may follow a verb that is a noun as well, to make it a command: "book a table", not "book recommendations".
_OBJECT = (
    r"(?:a|an|the|my|our|your|his|her|their|this|that|these|those|me|him|us|them|it|all|both|some|every|each|any|"
    r"more|"
    r"another|two|three|four|five|six|seven|eight|nine|ten|for (?:me|us)|to (?:my|the)|on (?:my|the)|off (?:my|the)|"
    r"in (?:my|the)|out|up|down|[0-9€$£]\S*|mum|mom|dad|grandma|grandpa)\b"
)
_DOES = _one_of(
    "send e-?mail message forward text call phone dial ring book reserve order buy purchase pay transfer wire withdraw "
    "deposit donate refund charge cancel renew subscribe unsubscribe restart reboot reset shut power deploy release "
    "provision launch start stop pause resume play skip rewind record open close lock unlock arm disarm dim brighten "
    "mute unmute snooze schedule reschedule postpone remind notify alert invite rsvp upload download install uninstall "
    "update upgrade sync backup restore save archive delete remove erase wipe clear empty rename move copy submit "
    "approve reject accept decline assign reassign escalate merge push pull commit publish post tweet share reply "
    "block unblock enable disable activate deactivate freeze unfreeze register enrol enroll sign log ship return "
    "exchange print scan navigate drive take hail request raise lower increase decrease "
    "add put remove set turn switch boil preheat vacuum water feed run execute trigger kill terminate scale migrate "
    "mark flag pin star apply file lend borrow sell invest trade withdraw swap connect disconnect pair unpair report "
    "confirm drop revert patch rotate revoke grant ban kick hang dispatch deliver page ping"
)
# After these a bare noun is an object too: "buy milk", "send flowers to her".
_DOES_BARE = _one_of(
    "send buy purchase remind unsubscribe reboot restart uninstall deploy delete cancel notify tweet rename reschedule "
    "unlock disarm mute unmute snooze enable disable activate deactivate turn switch transfer install download upload "
    "unblock subscribe preheat dispatch reserve wire close remove invite publish submit approve reject assign archive "
    "restore merge upgrade pause resume refund renew register enrol enroll forward postpone empty erase wipe escalate "
    "freeze unfreeze play dim brighten reassign confirm pin unpin ping page boil vacuum lock"
)
_NOT_DONE = (
    r"(?! (?:of|vs|versus|or|and|is|are|was|were|in (?:the )?(?:programming|python|java|c|sql|linux)|"
    r"culture|learning|function|theory|definition|meaning|rate|rates|explained|tutorial|examples?|mechanism|"
    r"process)\b)"
)
_ACTION = re.compile(
    r"\W*(?:(?:add|put|move) (?![0-9]).{1,40} (?:to|on|onto|in|into|from) (?:my \w|(?:the|our|"
    r"this) (?:\w+ )?(?:meeting|list|"
    r"cart|basket|calendar|group|call|team|channel|playlist|order|project|board|account|thread|agenda|folder|queue|"
    r"event)\b)|"
    r"(?:reply|respond) to (?!this|the following|these)|schedule \w+ (?:for|on|at|with)\b|"
    r"(?:pay|lend|give|owe|wire|send) \w+ [0-9€$£]|order (?!of\b|by\b|these|the following).{1,40} (?:for|to) \w+\W*$|"
    rf"{_DOES} {_OBJECT}|{_DOES_BARE}{_NOT_DONE} \S+|"
    r"(?:turn|switch|shut|power) (?:on|off|up|down)\b|set (?:up )?(?:a|an|the|my|our|\w+) |"
    r"(?:create|make|open|raise|log|file|start|schedule|set up|place|submit|add|book|arrange|organi[sz]e) "
    r"(?:me |us )?(?:a |an |the |my |our |another |\d+ )?(?:new |quick |recurring |weekly |daily |private |public |"
    r"shared )*"
    r"(?:\w+ )?(?:ticket|issue|reminder|event|task|to-?do|calendar|meeting|appointment|alarm|timer|"
    r"folder|repo|repository|branch|pull request|invoice|account|user|playlist|poll|channel|booking|reservation|"
    r"order|"
    r"backup|snapshot|instance|cluster|server|complaint|claim|case|transfer|payment|call|shopping list|note|"
    r"subscription|workspace|project board|lead|contact|thread|bug report|expense)s?\b|"
    r"reserve |call (?:mum|mom|dad|\w+ back|for)|text (?:mum|mom|dad)|play (?:some|my|the next|\w+ by)|"
    r"(?:order|get) (?:me |us )(?:a|an|some|two|\d+) |(?:wake|pick) (?:me|us) up|sign (?:me|us|up)\b|log (?:me|"
    r"us) (?:in|out)|"
    r"check (?:me|us) in|(?:hang|back|roll|log|sign|clock) (?:up|back|in|out|on|off)\b(?!\w)|"
    r"report (?:a|an|this|my)|leave (?:a|an) (?:review|message|note)|note (?:down|that)|remember (?:that|to|my|this)|"
    r"apply for|(?:change|update|edit) my|(?:ask|tell|let) (?:\w+ )?(?:mum|mom|dad|him|her|them|the team|everyone|"
    r"my \w+) |"
    r"mark .{1,60}\bas\b|take (?:a (?:screenshot|picture|photo|selfie|note)|me to)|find and (?:book|order|buy)|"
    r"withdraw |donate |(?:go|skip) to the (?:next|previous)|next (?:song|track)\W*$|stop (?:the )?(?:music|timer|"
    r"alarm)|"
    r"ping |dial |(?:text|message|tell|inform|ask) (?!(?:me|us)\b)\w+ (?:that|to|about|if|whether|i'm|we're|i am|"
    r"i will|i'll)\b|email (?!etiquette|marketing|address|format|template|client|protocol|header|subject|tips|is\b|"
    r"vs\b)\w+)",
)
# Commands to the text itself: numbers to be sorted, words to be put in order, things to be computed or written.
_ON_PAPER = re.compile(
    r"\W*(?:order|sort|move|put|add|remove|take|set|drop|delete|clear|return|print|run|call|scale|rotate|swap|"
    r"merge|raise|"
    r"increase|decrease|pay|share|trade|check|make|copy|mark|apply|play|start|stop|open|release|log|file|"
    r"update|report|connect|charge|track|record|post|save|turn|change|text|fix)\b"
    r"(?: (?:the |these |this |those |all |a |an )?(?:following|numbers?|words?|letters?|vowels?|fractions?|"
    r"sentences?|"
    r"polynomials?|matrix|matrices|vectors?|digits?|integers?|decimals?|list of|sum|equations?|punctuation|"
    r"duplicates?|"
    r"comments?|docstrings?|type hints|unit tests?|error handling|paragraphs?|verbs?|planets|events)\b|"
    r" [0-9.]+ (?:and|to|from|by|plus)\b|.{0,80}\b(?:from (?:smallest|largest|lowest|highest|oldest|newest)|"
    r"alphabetical|chronological|ascending|descending|in (?:python|java|javascript|sql|rust|c\+\+|c#|bash|excel|git)|"
    r"to (?:the (?:power|nearest|list)|both sides)|devil's advocate)\b)|"
    r"(?:set|share|stock|order|book|play|call|text|return|charge|record|post|sign|water|run|drive|pay|time|move|"
    r"check|"
    r"scale|copy|start|stop|report|track|log|page|file|mark|open|close|lock|print|ship|star|pin|patch|trade|update) "
    r"(?:theory|price|of|on investment|recommendations?|ideas?|review|summary|option|processing|value|office|"
    r"hours|words|source|time|gap|writing|balance|size|in history|up costs?|cycle|policy)\b"
)
_MAX_ACTION = 240
_THEN_ASKS = re.compile(r"\b(?:what|how|which|why|when|where|should|is it|are there)\b[^.!]*\?")
_ASSUMES_DONE = re.compile(
    r"\W*add .{1,60}\bto (?:my|the|our) (?:shopping |to-?do |grocery |wish ?|play|mailing |guest )?list"
)


def is_action(head: str) -> bool:
    """Say whether the request is for something done in the world: to be done again each time it is said."""
    if len(head) > _MAX_ACTION:
        head = head[:_MAX_ACTION]
    if _ASSUMES_DONE.match(head):
        return True
    if _ACTION.match(head) is None or _ON_PAPER.match(head) is not None:
        return False
    return _THEN_ASKS.search(head) is None


# --- something new ------------------------------------------------------------------------

_LESSON = re.compile(
    r"\W*(?:how|why|explain|define|describe|compare|when (?:should|do|would)|where (?:do|is)|which|is|are|does|do|"
    r"can|"
    r"difference|what (?:is|are|'s) (?:the )?(?:difference|meaning|definition|purpose|use|point|best way|"
    r"fastest way)|"
    r"(?:write|show|give)(?: me)? (?:a |an |some |the )?(?:\w+ ){0,3}(?:code|function|script|program|query|regex|"
    r"class|"
    r"method|snippet|one-?liner|test|tests|algorithm|command|macro|formula)\b)"
)
_MADE = (
    r"(?:poems?|haikus?|limericks?|sonnets?|stor(?:y|ies)|songs?|lyrics|jokes?|puns?|riddles?|ideas?|names?|facts?|"
    r"numbers?|words?|examples?|questions?|quotes?|tips?|recipes?|suggestions?|options?|prompts?|titles?|slogans?|"
    r"taglines?|headlines?|versions?|variations?|answers?|ones?|topics?|activit(?:y|ies)|puzzles?|compliments?|"
    r"passwords?|passphrases?|pins?|usernames?|nicknames?|tokens?|keys?|essays?|plots?|characters?|scenes?|"
    r"pictures?|images?|drawings?|raps?|tunes?|melod(?:y|ies)|way|approach|solution|theme|challenge|game|workout|"
    r"meal|dinner|outfit|gift|date night|captions?|bio|password|quiz|trivia|dad joke|pick-?up lines?|city|country|"
    r"animal|colou?r|card|letter|person|movie|film|book|song|verse)"
)
_NEW = Gate(
    "new",
    r"\brandom(?:ly|i[sz]e)?\b|\b(?:roll|throw|toss|flip) (?:\w+ ){0,3}(?:dice|die|coins?)\b|\b(?:dice|"
    r"coin)\b.{0,20}\b(?:roll|flip|toss|throw|rolled|flipped)\b|\bcoin and flip\b|\b(?:know|heard?|tell|say|share|"
    r"sharing|want|give|got|best|good) (?:\w+ ){0,4}jokes?\b|\b(?:fun|cool|neat|random|interesting|weird|"
    r"amazing) (?:\w+ )?(?:facts?|trivia|stuff)\b|\b(?:roll|throw|toss) (?:a|the|two|three|some|\d+|\d*d\d+)\b|"
    r"\broll \d*d\d+|\bflip (?:a|the|two) coin|"
    r"\bcoin (?:toss|flip)|\bheads or tails\b|\bshuffle\b|\b(?:uuid|guid|nonce)\b|\bsurprise me\b|\bsurprise us\b|"
    r"\b(?:pick|choose|draw|select|think of|guess|name) (?:me |us |for me )?(?:a|an|one|any|some|two|three|\d+|"
    r"between|from)\b|"
    r"\b(?:pick|choose|decide) (?:for (?:me|us)|a|one)\b|"
    rf"\banother (?:\w+ )?{_MADE}\b|\banother\W*$|\b(?:give|tell|show|write|try|make)(?: me| us)? (?:an)?other\b|"
    rf"\b(?:a |some |something )(?:\w+ )?(?:different|new|fresh|original|unique)(?: \w+)?(?: {_MADE})?\W*$|"
    rf"\b(?:different|new|fresh|original|unique|novel|creative|never[- ]before[- ]\w+) (?:\w+ )?{_MADE}\b|"
    r"\b(?:some|a few|\d+|five|ten|three|two|any|many) (?:more|other|different|new|fresh|original|unique)\b|"
    rf"\bmore {_MADE}\b|"
    r"\bsomething (?:else|different|new|fresh|original|unexpected|funny|interesting|fun|cool|random)\b|"
    r"\b(?:tell|give|say|crack|share|hit|make)(?: me| us)?(?: with)? (?:a |an |some |your best )?(?:\w+ )?"
    r"(?:jokes?|story|riddle|fun fact|fact|puns?|tongue[- ]twister|compliment|trivia|quote|laugh)\b|"
    r"\bmake (?:me|us) (?:laugh|smile)\b|\binspire me\b|\bentertain me\b|\bamuse me\b|\btry again\b|\bregenerate\b|"
    r"\bonce more\b|\bdifferently\b|\banother way\b|"
    r"\blottery numbers\b(?! (?:for|from|of|drawn))|\bsecret santa\b|\bsomeone at random\b|\bany (?:number|card|"
    r"word|colou?r)\b|"
    r"\b(?:generate|create|make|invent|make up|suggest|come up with|give me|produce|mint) (?:me |us )?(?:a |an |"
    r"some |\d+ |\w+ )?"
    r"(?:\w+ )?(?:passwords?|passphrases?|pins?|usernames?|tokens?|api keys?|(?:secret|encryption) keys?|salt|seed|"
    r"ids?|"
    r"otps?|codes?|names?|nicknames?|ideas?|(?:fake|dummy|sample|test|mock|synthetic) \w+|numbers?|avatars?|"
    r"maze|sudoku|crossword|bingo card|dungeon|playlist)\b|\bmake (?:one|something|it) up\b|\bmake up (?:a|an|some|"
    r"your)\b|\binvent (?:a|an|some)\b|"
    r"\b(?:spin|draw) (?:the|a|from|straws|lots)\b|\bdeal me\b|\bscissors\b|\bmagic 8|\brewrite it\b|\bagain\W*$|"
    r"\bbrainstorm\b|\bi(?:'m| am) bored\b|\bimprovi[sz]e\b|\bfreestyle\b",
)
_NOT_NEW = re.compile(
    r"\brandom (?:variables?|forests?|walks?|access|sampl(?:e|ing)|effects?|errors?|process(?:es)?|matri(?:x|ces)|"
    r"graphs?|"
    r"fields?|vectors?|search|seeds?|mutations?|assignment|number generat\w+|house|acts? of kindness|coil|oracle|"
    r"initiali[sz]ation|noise)\b|\bsql\b|\bin (?:python|java|javascript|js|c|c\+\+|c#|rust|go|php|ruby|bash|excel|"
    r"r|kotlin|"
    r"swift|numpy|postgres\w*)\b"
)
_ASKED = re.compile(r"\W*(?:who|whose|whom|when|where|which|what|what's|is|are|was|were|did|does|has|have)\b")
_CHANCE = re.compile(r"\b(?:random\w*|another|surprise|something|jokes?|coin|dice|fun|facts?|else|lucky|pick|guess)\b")
CREATIVE = Gate(
    "creative",
    r"\b(?:write|compose|draft|create|make|design|draw|sing|imagine|invent|plan|paint|outline|pen)\b.{0,60}"
    r"\b(?:poem|haiku|limerick|sonnet|story|tale|song|lyrics|joke|rap|verse|ode|novel|essay|blog|letter|e-?mail|"
    r"speech|toast|script|post|slogan|tagline|ad|advert|article|bio|scene|dialogue|monologue|invitation|card|logo|"
    r"message|tweet|caption|review|report|cover letter|description|eulogy|plot|itinerary|plan|headline|name|"
    r"names)s?\b|"
    r"\bideas?\b|\bsuggest\b|\brecommend\b",
)
_GREETED = re.compile(r"\W*(?:how are you|what's up|who are you|are you (?:there|ok|busy|free|awake))\b")


def is_new(head: str) -> bool:
    """Say whether the answer is meant to differ each time: chance, another one, something invented."""
    if not _NEW.is_in(head) or _NOT_NEW.search(head) or _SUPPOSED.match(head):
        return False
    if _ASKED.match(head) and _CHANCE.search(head) is None:  # whose new ideas, who won in New York City
        return False
    return _LESSON.match(head) is None or bool(re.search(r"\bsurprise (?:me|us)\b|\banother\W*$", head))


# --- something of one's own ---------------------------------------------------------------

_OWN = r"(?:my|our)(?! (?:in|do|does|mean|vs|and|or|goodness|god)\b)"
_RECORDS = (
    r"(?:orders?|balances?|accounts?|transactions?|subscriptions?|calendars?|schedules?|inbox|e-?mails?|"
    r"appointments?|"
    r"meetings?|holidays?|vacations?|bookings?|reservations?|flights?|packages?|parcels?|deliver(?:y|ies)|payments?|"
    r"payslips?|salary|bills?|invoices?|refunds?|passwords?|plans?|polic(?:y|ies)|claims?|tickets?|messages?|"
    r"contacts?|"
    r"photos?|files?|documents?|notes?|reminders?|alarms?|timers?|to-?dos?|tasks?|lists?|cart|basket|points|miles|"
    r"usage|"
    r"data allowance|limit|score|results?|grades?|prescriptions?|medications?|doctor|dentist|pharmacy|bank|school|"
    r"gym|"
    r"library|office|address|phone|number|name|birthday|age|anniversary|location|car|house|team|manager|boss|"
    r"history|steps|weight|heart rate|sleep|playlists?|friends?|followers?|notifications?|profile|settings|"
    r"statements?|"
    r"spending|budget|portfolio|shares|stocks|pension|mortgage|loan|card|pin|plate|licen[cs]e|visa|application|"
    r"case|repo|branch|build|pull requests?|server|site|website|app|device|battery|printer|router ip|ip|wifi|"
    r"train|bus|commute|class(?:es)?|exam|homework|assignment|deadline|shift|rota|roster|insurance|warranty|"
    r"membership|"
    r"horoscope|turn|next \w+|last \w+|latest \w+|recent \w+|current \w+|upcoming \w+)"
)
_PERSONAL = Gate(
    "personal",
    r"\b(?:what|where|when|who|which|whose)(?:'s|'re| is| are| was| were| will| does| do| did| has| have)?"
    rf"(?: the)?(?: \w+){{0,6}}? {_OWN} \w+|\bhow (?:much|many|long|far|old|soon|often|is|are|was|did|has|have|"
    rf"does)\b[^.?!]*? {_OWN} {_RECORDS}\b|"
    rf"\bhow (?:is|are|was|were|did) {_OWN} \w+|"
    r"\b(?:show|translate|rewrite|proofread|answer|list|check|read|find|get|give|open|display|view|look up|search|"
    r"summari[sz]e|tell|pull up|fetch|"
    r"review|print|"
    r"download|export|count|compare|track|see|recap|describe|analy[sz]e|sort|estimate|"
    rf"calculate)\b[^.?!]{{0,40}}\b{_OWN} \w+|"
    rf"\b(?:is|are|was|were|has|have|had|did|does|do|will) {_OWN} \w+|"
    r"\b(?:can|could|would|may|might) our \w+|\b(?:can|may|are|do|must) (?:the )?(?:guests|visitors|customers|"
    r"residents|"
    r"tenants|staff)\b|"
    r"\b(?:do|did|have|had|am|was|will) (?:i|we)\b(?! (?:need|have to|get (?:to|from|when|if|by)|really need|say|write|"
    r"use|call|make|"
    r"find|know (?:if|whether|that))\b)|"
    r"\b(?:what|which|who|when|where|how)\b[^.?!]*\b(?:i've|i'm|i am|i was|i have|i had|i owe|i earn|i spent|"
    r"i used|i own|i paid|i make|i got|i will be)\b|"
    r"\b(?:bill|rent|invoice|payment|premium|statement|tax return|homework|assignment|insurance|"
    r"loan)\b.{0,20}\b(?:due|balance|total)\b|\b(?:due date|minimum payment|billing date)\b.{0,30}\b(?:for|on|"
    r"of) (?:the|this)\b|"
    r"\b(?:account|card|checking|savings|bank|rewards?|points|gift card|pto|leave) balance\b|\b(?:check|show|list|"
    r"see|track|find|get|view|read|what are|where are) (?:me )?(?:the )?(?:latest |last |"
    r"recent )?(?:\w+ )?(?:transactions?|order status|statements?|unread|appointments|notifications|inbox|"
    r"voicemails?|deliveries)\b|"
    r"\b(?:status|progress) of (?:the|an?|this|that) (?:order|application|claim|refund|delivery|request|"
    r"booking|parcel|package|payment|transfer)\b|"
    r"\b(?:what|who|where|when|how|name)\b.{0,30}\b(?:this|that) (?:song|track|tune|place|room|area|street|"
    r"building|artist|band|car|vehicle)\b|\b(?:the|this) (?:car|vehicle)(?:'s)? (?:mpg|fuel|tires?|tyres?|oil|"
    r"battery)|"
    r"\bhow (?:much|many)\b[^.?!]*\b(?:do|did|have|had|can|will) (?:i|we) (?:owe|have|earn|earned|spen[dt]|paid|"
    r"left|saved|used|own|got|made|walked|"
    r"received|sent|slept|burn|burned|get)\b|\b(?:i|we) have left\b|"
    r"\b(?:near|around|close to|closest to|nearest to|next to) (?:me|us|here)\b|\b(?:nearest|"
    r"closest) (?:\w+ ){1,4}to (?:me|us|here)\b|\bnearby\b|\bnearest\b(?!.*\b(?:to|star|integer|whole|neighbou?r|"
    r"tenth|hundred|number)\b)|\bwho (?!is|was|are|were)\w+ (?:me|us)\W*$|\b(?:any|some|every)(?:one|"
    r"body) \w+ (?:me|us)\b|"
    r"\baround here\b|\bwhere (?:am|are|was|were) (?:i|we)\b|"
    r"\b(?:in|for|to) my (?:area|town|city|neighbou?rhood|street|region|postcode|zip code|account|profile|order|"
    r"case|name)\b|"
    r"\bbased on my\b|\bwho am i\b|\bwhat(?:'s| is) mine\b|\bwhich (?:one )?is mine\b|\bremind me (?:what|when|"
    r"where|who|which)\b|"
    r"\bwhat (?:time|day|room|gate|seat|platform|floor|desk)\b[^.?!]*\b(?:do|am|did|are|should) (?:i|we)\b|"
    r"\bwh(?:at|en|ere|o|ich)\b[^.?!]{0,40}\b(?:did|have|had|am|was|were) (?:i|we)\b|"
    r"\b(?:do|did|have|has) you (?:remember|recall|know my|got my|received? my|save[d]?)\b|\bas (?:i|we) (?:said|"
    r"discussed|agreed)\b|"
    r"\b(?:you|we|i) (?:just )?(?:said|told|mentioned|discussed|talked|asked|agreed|suggested)\b[^.!]*\?|\b(?:my|"
    r"our) last (?:conversation|chat|question|message)\b|"
    r"\b(?:assigned|addressed|sent|due|owed|available|shared) (?:to|with|for|by) me\b|\bon my (?:calendar|list|"
    r"plate|desk|phone|screen|account)\b",
)
# Apart from the pattern above, of which every part begins at a word: the search is much faster for that.
_PERSONAL_FIRST = re.compile(
    r"\W*(?:(?:hear|see|understand|recogni[sz]e|remember) (?:me|us)\W*$|(?:order|application|delivery|account|refund|"
    r"claim|tracking|shipping|booking) (?:status|number|"
    r"balance)\b|"
    rf"{_OWN} (?:\w+ ){{0,3}}?{_RECORDS}\b[^.!]*\?|"
    r"(?:any|are there any|is there any|got any)\b[^.?!]*\b(?:for me|for us|from my|in my|on my)\b)"
)
_SUPPOSED = Gate(
    "supposed",
    r"\b(?:suppose|assume|imagine|say|pretend|hypothetical\w*|let's say|what if|given that|if) (?:that )?"
    r"(?:i|my|we|our|you|your|a|an|the|someone|he|she|they)\b|\b(?:i|we) (?:am|'m|are|'re|weigh|have|earn|paid|"
    r"bought|drove|walk|drive|want|feel|got|live|need)\b.*[0-9]|"
    r"\bi'm [0-9]|\bmy \w+ (?:is|are|was) [0-9]",
)
_ADVICE = re.compile(
    r"\W*(?:how (?:do|can|should|could|would|to|might|must)\b|why\b|what (?:should|can|could|would|might|happens|"
    r"causes|makes)\b|"
    r"should (?:i|we)\b|can (?:i|we)\b|could (?:i|we)\b|may (?:i|we)\b|is it (?:ok|safe|legal|normal|possible|bad|"
    r"good|wise|worth)|"
    r"what(?:'s| is) (?:the|a) (?:best|easiest|fastest|safest|right|proper|quickest|cheapest|good|correct|simplest) |"
    r"what are (?:the |some )?(?:best |good |easy |common |possible )?(?:ways?|tips|steps|options|reasons|symptoms|"
    r"signs|causes)\b|"
    r"explain|which \w+ (?:should|is (?:best|better)))"
)
_ASKS_RECORD = Gate(
    "asks record",
    r"\b(?:do|did|have|had|am|are|was|were) (?:i|we) (?:have|owe|got|left|paid|spend|spent|earn)\b|\b(?:is|are|"
    r"was|were) mine\b|\bnear (?:me|here|us)\b|\bnearby\b|"
    rf"\bwhy (?:was|is|were|are|did|has|have|hasn't|isn't|haven't|didn't|wasn't|am) (?:i|{_OWN} "
    r"(?:card|payment|order|account|transfer|claim|application|booking|refund|bill|parcel|package|delivery|flight|"
    r"balance|transaction|"
    r"subscription|top[- ]?up|salary|invoice|deposit|loan|insurance|internet bill|statement))\b",
)
_DIGIT = re.compile(r"[0-9]")
_CODE_OWN = re.compile(
    r"\bmy[_.(]|\bin (?:perl|python|raku|javascript|java|sql)\b|\bmy (?:code|function|loop|query|regex|string|"
    r"array|list|variable|class|script|program|dict|dataframe)\b"
)


def supposed(head: str) -> bool:
    """Say whether the facts are made up and stand in the text, with their numbers."""
    return _DIGIT.search(head) is not None and _SUPPOSED.is_in(head)


def is_personal(head: str, *, given: bool) -> bool:
    """Say whether the answer differs by who asks: their records, their things, the place where they are."""
    if supposed(head):
        return False
    if _ASKS_RECORD.is_in(head):
        return True
    if not (_PERSONAL.is_in(head) or _PERSONAL_FIRST.match(head)) or _ADVICE.match(head):
        return False
    if _CODE_OWN.search(head) and not re.search(rf"\b{_OWN} (?:last|recent|shopping|to-?do|grocery|wish)", head):
        return False
    return not (_SUPPOSED.is_in(head) or (given and _ON_TEXT.match(head)))
