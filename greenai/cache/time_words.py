"""What changes with time: words of now and today, things that are live, offices and records that change hands.

All texts here are in lower case. A name of a thing that happens to be a word of time (an electric current) is no sign.
"""

from __future__ import annotations

import re
from functools import lru_cache

from greenai.cache.gates import Gate

__all__ = ["FACTS", "FOREIGN", "SUM", "is_lesson", "is_live", "is_of_the_day", "is_past", "is_slow"]

# --- no sign of time ----------------------------------------------------------------------

SUM = re.compile(r"[0-9]\s*(?:[-+*/\u00d7÷^%=]|plus|minus|times|divided)\s*[0-9(]|[0-9]\s*%\s*of\b")
FACTS = Gate(
    "facts",
    r"\b(?:context|passage|article|text|document|transcript|data|table|facts|background|notes|excerpt|log|logs):|"
    r"\baccording to the (?:text|passage|article|table|document|context)|\b(?:in|from|based on) the (?:text|"
    r"passage|table|"
    r"article|context|document|paragraph) (?:below|above|given)?|\bfollowing (?:text|article|passage|table|data|"
    r"e-?mail|"
    r"review|paragraph|sentence|code|log)\b|\b(?:suppose|assume|imagine|pretend)\b|\b(?:if|when) (?:today|tomorrow|"
    r"yesterday) (?:is|was|were)\b",
)
_PAST = Gate(
    "past",
    r"\b(?:1[0-9]{3}s?|20[01][0-9]s?|202[0-4])\b|\b[0-9]+(?:st|nd|rd|th)? (?:century|centuries)\b|"
    r"\b(?:bc|bce|ad|ce)\b|\b(?:world war|(?:battle|war|siege|treaty) of|ancient|medieval|middle ages)\b",
)
_SINCE = re.compile(r"\b(?:since|until now|to date|today|now|currently|so far|still|compared)\b")
_HOW_TO = re.compile(
    r"\W*(?:how (?:do|does|did|can|could|should|would|to|might|(?:is|are|was|were) (?:\w+ ){1,4}(?:made|calculated|"
    r"measured|determined|defined|set|formed|produced|used|built|classified))\b|"
    r"why\b(?! (?:is|are|was|were) (?:the|my|our) (?:site|server|service|internet|traffic|queue|train|bus|flight|"
    r"line|app|market|price|stock|power)\b)|"
    r"explain\b|define\b|describe (?:how|what|the concept)|what (?:does|do) .{1,80}\b(?:mean|have to do|stand for|"
    r"look like|measure)\b|what (?:causes?|caused|makes|determines|affects|influences)\b|"
    r"what (?:is|are|'s) (?:the )?(?:differences?|meaning|definition|purpose|formula|history|origin|concept|point|"
    r"role)\b|"
    r"(?:write|show|give)(?: me)? (?:a |an |some |the )?(?:\w+ ){0,3}(?:code|function|script|program|query|regex|"
    r"class|"
    r"method|snippet|one-?liner|algorithm|command|macro|formula|sentence|example)\b|"
    r"what (?:is|are|'s) (?:a|an) (?!\w+ (?:trading|worth|going for))|compare\b|prove\b)"
)
# Beginnings that look like lessons and ask for how things stand.
_NOT_A_LESSON = re.compile(
    r"\W*how (?:do|does|did|can|could|would) (?:i|we|you|one) get (?:to|from|there|home)\b.*\b(?:now|today|tonight|"
    r"quickest|fastest)\b|"
    r"\W*how (?:did|do|does|are|is|has|have) .{1,80}\b(?:today|yesterday|last night|tonight|right now|"
    r"this (?:morning|week|season)|at the moment|so far|doing)\W*$|"
    r"\W*(?:why|how|explain)\b.*\b(?:today|yesterday|last night|tonight|right now|this (?:morning|week|afternoon|"
    r"evening)|at the moment|latest|news|so far)\b|"
    r"\W*compare\b.*\b(?:prices?|cheapest|today|current|latest|weather|rates)\b|\W*what (?:is|are) (?:a|"
    r"an) .{1,60}\b(?:worth|trading at|cost|price)\b"
)
_THING = Gate(
    "thing",
    r"\b(?:electric(?:al)?|alternating|direct|ocean(?:ic)?|eddy|sea|water|rip|surface|warm|cold|air|leakage|input|"
    r"output|peak|rms|fault|short[- ]circuit|"
    r"inrush|induced|saturation|constant|gulf stream) currents?\b|\bcurrents\b|\bcurrent (?:through|flow\w*|"
    r"in (?:a|the) (?:wire|circuit|conductor|coil|resistor|loop)|"
    r"density|divider|law|source|transformer|of [0-9]|and voltage|drawn|limit\w*|working directory|directory|"
    r"thread|user in|"
    r"branch in|row|element|node|index|iteration|item|line|url in|timestamp in|assets?|liabilit\w+|ratio)\b|"
    r"\bvoltage and current\b|\bwhat is current\W*$|"
    r"\btoday's (?:world|society|age|culture|economy|era|landscape|market|business|standards|youth|generation|"
    r"technology)\b|"
    r"\bthe present (?:perfect|tense|continuous|simple|participle)\b|\b(?:past|present|future) (?:tense|perfect|"
    r"continuous)\b|\blive (?:in|on|longer|long|forever|with|by|under|without)\b|"
    r"\bweather(?:ing|ed)\b|\btraffic (?:light|lights|sign|signs|cone|calming|engineering|laws?|controller)\b|"
    r"\bweather (?:vane|station|balloon|front|map symbols|and climate)\b|"
    r"\bopen (?:source|interest|set|circuit|ended|access|market operations|question|relationship|mind\w*)\b|"
    r"\bstock (?:option|split|cube|photo|image|market crash)\b|"
    r"\bforecast(?:ing)? (?:model|method|technique|error|horizon)s?\b|\bscore (?:of|in) (?:music|a film|"
    r"an orchestra)|\bmusical score\b|\bz-?score\b|\bf1[- ]score\b|\bcredit score (?:model|range|work)|"
    r"\bqueue (?:data structure|in (?:python|java|c\+\+|javascript)|theory|implementation|vs|and stack|or a stack)|"
    r"\bprice (?:elasticity|theory|discrimination|floor|ceiling|index|mechanism|to earnings|/)|"
    r"\btrain (?:a|an|the|your) (?:model|dog|network|neural|classifier|puppy|staff)\b|\bnow and then\b|"
    r"\btime complexity\b|\btime value\b|\bday today is a\b",
)
FOREIGN = re.compile(
    r"\b(?:m[ée]t[ée]o|quel temps|aujourd'hui|demain|hier|maintenant|actuellement|quelle heure|en ce moment|mes|"
    r"mon|wetter|heute|morgen|gestern|jetzt|"
    r"gerade|wie sp[äa]t|aktuell\w*|mein\w*|tiempo (?:hace|har)\w*|hoy|ma[ñn]ana|ayer|ahora|qu[ée] hora|"
    r"actualmente|pron[óo]stico|mis|che tempo|oggi|domani|ieri|"
    r"adesso|che ore|previsioni|hoje|amanh[ãa]|ontem|agora|que horas|previs[ãa]o|minha|het weer|vandaag|gisteren|"
    r"hoe laat|pogoda|dzisiaj|dziś|jutro|teraz|"
    r"v[äa]der|idag|imorgon|saat kaç|bugün|yarın|şimdi)\b|天气|今天|现在|明天|昨天|几点|天気|"  # noqa: RUF001
    r"今日|明日|昨日|何時|날씨|오늘|지금|내일|сегодня|"
    r"сейчас|завтра|погода|вчера|الطقس|اليوم|الآن|आज|अभी|मौसम"
)


def is_past(head: str) -> bool:
    """Say whether a year or a century that is over fixes the answer."""
    return _PAST.is_in(head) and _SINCE.search(head) is None


def is_lesson(head: str) -> bool:
    """Say whether it asks how things are or work in general, whatever the time."""
    return _HOW_TO.match(head) is not None and _NOT_A_LESSON.match(head) is None and _own_time(head) is None


def _own_time(head: str) -> re.Match[str] | None:
    return _PRICED.search(head)


_PRICED = re.compile(r"\bhow much (?:does|do|did|is|are|would|will)\b|\bwhat (?:does|do) .{1,60}\bcost\b")


# --- signs of time ------------------------------------------------------------------------

_NOW = (
    r"(?:right now|just now|at the moment|at this moment|currently|at present|as we speak|"
    r"this (?:very )?(?:minute|second|instant|hour)|real[- ]time)"
)
_LIVE = Gate(
    "live",
    r"\bhow many \w+ (?:are|were) (?:coming|going|here|waiting|attending|invited)\b|"
    r"\b(?:full|new|half|blood|super) ?moon\b|\bphase is\b|\b(?:low|high) (?:tide|water)\b|"
    r"\b(?:see|spot|view|watch) the (?:iss|space station|northern lights|aurora|eclipse|meteors?|comet)\b|"
    r"\bin retrograde\b|\buv(?: index)?\b|\bcheap(?:est)? (?:flights?|hotels?|trains?|tickets?|fuel|petrol|gas)\b|"
    r"\bflights? (?:to|"
    r"from)\b|"
    r"\bwho(?:'s| is)? (?:leads|leading|tops|top of) (?:the )?(?:\w+ ){0,2}(?:league|table|race|polls?|"
    r"championship|standings|rankings?|tour|group|bundesliga|nba|nfl|serie a|vote|election)\b|"
    r"\bweather\b|\bforecasts?\b|\b(?:is|was|will) it (?:going to )?(?:be )?(?:rain|snow|sunny|raining|snowing|"
    r"windy|cold|hot|warm|cloudy|foggy|humid|freezing|icy|dark)\w*\b(?! (?:on|in) (?:mars|venus|space|the moon))|"
    r"\b(?:rain|snow|raining|snowing)\b.{0,40}\b(?:today|tonight|tomorrow|now|later|this|outside|weekend)\b|"
    r"\bumbrella\b|"
    r"\b(?:temperature|how (?:hot|cold|warm|humid|windy)|humidity|wind speed|uv index|"
    r"wind chill)\b.{0,40}\b(?:outside|today|tonight|tomorrow|now|in (?!celsius|fahrenheit|kelvin|a |an |"
    r"the (?:core|sun|oven|centre|center)|degrees|physics|space)\w+)|"
    r"\bair quality\b|\bpollen\b|\btraffic\b|\broad ?works\b|\bcongestion (?:on|in)\b|\bsnow depth\b|"
    r"\bsurf report\b|\btides?\b (?:times?|today|now|in)|\bearthquakes? (?:now|today|just)|"
    r"\b(?:stock|share|crypto|bitcoin|btc|ethereum|eth|gold|silver|oil|brent|commodity) ?prices?\b|"
    r"\bprices? of (?:bitcoin|btc|ethereum|gold|silver|oil|brent|crude|\w+ (?:stock|shares?))\b|"
    r"\btrading (?:at|for)\b|\b(?:stock|share|ticker|nasdaq|dow jones|ftse|s&p(?: 500)?|dax|"
    r"nikkei)\b.{0,40}\b(?:at|now|doing|today|price|up|down|worth|level|quote)\b|\bhow (?:is|"
    r"are) (?:the )?(?:markets?|stocks?|nasdaq|dow|ftse)\b|"
    r"\b(?:bitcoin|btc|ethereum|eth|dogecoin)\b.{0,30}\b(?:worth|price|at|cost|now)\b|\b(?:how much is|value of|"
    r"worth of|price of) (?:a |one |1 )?(?:bitcoin|btc|ethereum|eth|dogecoin|ounce of gold)\b|\b\w+ stock\W*$|"
    r"\b(?:live|latest|current|final)? ?scores?\b.{0,30}\b(?:game|match|now|live|tonight|today|final)|\b(?:live|"
    r"latest|current) (?:score|result|standing|update|status|feed|view|footage|news|price|rate of|traffic|"
    r"stream)s?\b|"
    r"\bhow (?:many|much) .{1,60}\b(?:left|remaining|available|free|open)\b|\bdelays?\b|\b(?:is|are) (?:up|down|"
    r"online|offline|open|closed)\W*$|\bwhether .{1,40}\b(?:up|"
    r"down|open|closed|running|online)\W*$|\bcurrent (?:exchange|currency|conversion) rates?\b|"
    r"\bcurrent (?:altitude|position|location|speed|value|level|height|load|occupancy|balance|price|conditions|"
    r"situation|delays?|wait)\b|\bwhich (?:platform|gate|terminal|runway|track) (?:does|is|do|are|will)\b|"
    r"\bhow (?:many|much) .{1,40}\b(?:logged|signed|connected|waiting|queued)\b|\b(?:surf|swell|"
    r"waves)\b.{0,20}\b(?:today|now|like)\b|"
    r"\bwhat hour\b|"
    r"\bthe latest (?:on|about|from|with|in)\b|\b(?:have|has|"
    r"got|give|tell me|know) (?:you |"
    r"me )?the time\b|\btell me the time\b|\bon the clock\b|\bis (?:there )?(?:any )?(?:rain|snow|"
    r"wind|fog|storm)\w*\b|\bchance of (?:rain|snow|showers)\b|\bhow is it outside\b|\bflight \w{0,3}[0-9]+\b|"
    r"\b(?:live|early) .{0,20}results?\b|\b(?:arrival|departure|boarding|landing) (?:time )?(?:of|for|scheduled|"
    r"now)\b|\bboarding\b|\bwhat(?:'s| is| was) the score\b|\bwho(?:'s| is) (?:winning|leading|ahead|playing|"
    r"on air|online|logged|on call|available|in (?:the )?(?:lead|office|room))\b|"
    r"\bwhat time (?:is it|it is|(?:is |)(?:now|there))\b|\bwhat(?:'s| is) the time\b(?! (?:zone|complexity|"
    r"signature|difference|limit|period|value|frame))|\b(?:current|local|exact|right) time\b|\btime (?:is it|"
    r"now)\b|\btime in (?!python|java|physics|c\b|music|sql|space|the (?:bible|story|novel|universe)|history)\w+|"
    r"\b(?:is|are|was|will) .{1,60}\b(?:open|closed|down|up|offline|online|working|available|in stock|sold out|"
    r"delayed|on time|late|cancelled|canceled|running|out|busy|full|crowded|back up|reachable|free|live|charging|"
    r"charged)\b(?: (?:now|today|right now|yet|late|at the moment|currently|tonight|tomorrow|this \w+|on (?:sun|"
    r"mon|tues|wednes|thurs|fri|satur)day))?\W*$|"
    r"\bopen (?:now|right now|late|at this hour|still)\b|\b(?:still|currently) open\b|\bin stock\b|\bsold out\b|"
    r"\b(?:any|are there) .{0,30}\b(?:left|available|free)\W*$|"
    r"\b(?:flight|train|bus|tram|ferry|tube|metro|subway)s?\b.{0,40}\b(?:on time|delayed|late|status|now|arriv\w+|"
    r"depart\w+|land\w*|running|leave|due|cancelled|canceled|next|boarding|gate|platform)\b|\b(?:next|"
    r"last) (?:train|bus|tram|ferry|flight|tube|metro|shuttle|departure)\b|"
    r"\b(?:flight|af|ba|lh|ua|dl|aa|ek|klm?|ryanair) ?[a-z]{0,2} ?[0-9]{2,4}\b.{0,30}\b(?:now|status|land\w*|"
    r"arriv\w+|delayed|gate)\b|\bwhere is (?:flight|train|bus|the (?:iss|space station|train|bus|driver|courier|"
    r"delivery|tram))\b|\bflight status\b|\bdepartures? board\b|"
    r"\b(?:queue|wait(?:ing)?(?: time)?s?|line)\b.{0,40}\b(?:now|currently|today|at|long|moment)\b|"
    r"\bhow long (?:is|are) the (?:queue|wait|line|delay)s?\b|\b(?:wait|waiting|queue) times?\b|"
    r"\boutages?\b|\bpower cut\b|\b(?:battery|signal|fuel) level\b|\b(?:cpu|memory|disk|ram|gpu) (?:usage|load|"
    r"temperature)\b.{0,20}(?:now|current\w*|\?|$)|\bparking (?:spaces|spots)\b|\bcharging stations? (?:free|"
    r"available)\b|\bhow (?:many|much) .{1,60}\b(?:online|watching|on (?:the )?(?:site|server|line|call)|"
    r"in (?:the )?(?:queue|line|stock))\b|"
    r"\b(?:has|have) the .{1,40}\b(?:started|begun|ended|arrived|left|finished|opened|closed|landed|launched|come|"
    r"gone|been|stopped|passed)\b|\byet\W*$|\bhow (?:full|busy|crowded|rough|packed|choppy|slippery) (?:is|are)\b|"
    r"\bhow (?:strong|high|deep|low|big) (?:is|are) the (?:wind|waves|swell|snow|tide|river|flood|surf)\b|"
    r"\b(?:song|film|movie|match|game|show|music|track) is (?:playing|on)\b|\b(?:trending|viral)\b|\bbreaking\b|"
    r"\bwhat's happening\b|\bwhat is (?:happening|going on)\b|\bis anyone\b|\bwho's here\b|"
    r"\bphase of the moon (?:now|tonight)\b|\b(?:is|are) the (?:\w+ ){1,3}(?:back|over|done|gone|there|empty|up|"
    r"down|on|off|open|closed|live|here|ready|full|running|late|free|busy)\W*$|"
    r"\b(?:countdown|eta)\b|\bvisible (?:now|tonight)\b|\bstatus of (?:the )?(?:\w+ ){0,3}(?:server|service|"
    r"site|flight|train|order|build|deployment|pipeline|job|system|api|network|line)\b|\b(?:server|service|system|"
    r"build|pipeline|network|line|api|job|deployment|ticket|github|aws|slack) (?:status|health)\b",
)
# Things of one place, of which "the" says that there is a certain one, and whose state is that of the moment.
_PLACE = (
    r"(?:shop|store|road|street|station|server|lift|pool|gym|office|park|beach|bank|library|restaurant|caf[eé]|bar|"
    r"pub|"
    r"museum|port|harbou?r|border|bridge|tunnel|school|kitchen|printer|machine|room|door|window|gate|lights?|heating|"
    r"oven|car park|parking lot|elevator|pipeline|cluster|database|site|website|service|network|supermarket|pharmacy|"
    r"hospital|clinic|post office|stadium|bus|train|tram|ferry|plane|driver|courier|slopes?|airport|canteen|bakery|"
    r"market|cinema|theatre|laundry|dishwasher|garage|pitch|court|track|ward|platform|terminal|motorway|highway)"
)
_STATE = re.compile(
    rf"\W*(?:is|are|does|has|have|how (?:many|much|full|busy|warm|cold|long|deep|high)|any|when will|where (?:is|"
    rf"are))\b"
    rf".{{0,60}}\bthe (?:\w+ )?{_PLACE}(?:s|es|ies)?\b|"
    rf"\W*what(?:'s| is) the {_PLACE}'s\b|"
    r"\W*what(?:'s| is) the (?:\w+ )?(?:level|load|occupancy|usage|uptime|latency|throughput|water level|"
    r"snow depth)\b|"
    r"\W*is (?:any|some|every)(?:one|body)\b|"
    r"\W*(?:is|are) (?:the|there|any) .{1,40}\b(?:open|closed|running|clear|available|busy|crowded)\b"
)
_NOW_WORD = Gate(
    "now word",
    rf"\b{_NOW}\b(?! (?:in|on|longer|with))|\bnow\W*$|\bnow (?:in|at|on|with)\b|"
    r"\bare (?:we|they|people) .{1,40} now\b",
)
_DAILY = Gate(
    "daily",
    r"\bhow many (?:followers|likes|views|streams|downloads)\b|\bwhat(?:'s| is) new\b|"
    r"\b(?:what|which|the|tell me).{0,30}\b(?:date|day)\b.{0,20}\bin [0-9]+ days\b|\b(?:dollars?|euros?|pounds?|"
    r"yen|pesos?|rubles?|rupees?|kron\w+|francs?|yuan|won)\b.{1,40}\b(?:dollars?|euros?|pounds|yen|pesos?|rubles?|"
    r"rupees?|kron\w+|francs?|yuan|won|worth|convert\w*|conversion)\b|\bnext (?:bank |public )?holiday\b|"
    r"\bholiday is next\b|\b(?:tell me|what's|is) the (?:date|day)\b|\btoday(?:'s)?\b|"
    r"\btonight(?:'s)?\b|\byesterday(?:'s)?\b|\btomorrow(?:'s)?\b|\bthis (?:week|weekend|month|morning|afternoon|"
    r"evening|friday|saturday|sunday|monday|tuesday|wednesday|thursday)(?:'s)?\b|"
    r"\b(?:last|next) (?:night|week|weekend|month|monday|tuesday|wednesday|thursday|friday|saturday|"
    r"sunday)(?:'s)?\b|\bon (?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)(?: (?:morning|night|"
    r"evening))?\W*$|"
    r"\bwhat (?:day|date|month|year|week)(?: of the (?:week|month|year))? is it\b|\bwhat(?:'s| is) the (?:date|day|"
    r"current (?:date|day|week|month))\b|\bthe date\W*$|\bheadlines?\b|\b(?:latest|recent|local|world|sports?|"
    r"breaking|top|the|any|in the|business|tech) news\b|\bnews (?:about|on|from|of|in|headlines)\b|\bnewest on\b|"
    r"\blatest (?:results?|polls?|developments?|updates?|episode|cases?|numbers|figures|count|match|game|race|"
    r"transfer)\b|\bwhat happened (?:in|at|to|on|with)\b(?!.*\b(?:war|battle|bible|book|film|movie|novel|end of|"
    r"history|titanic|dinosaurs|empire|revolution)\b)|"
    r"\b(?:opening|closing|business|visiting|store|shop) (?:hours|times?)\b|\bwhat (?:are|is|"
    r"'re) (?:the )?.{1,50}\bhours\b|\b(?:when|what time|how late) (?:does|do|is|will) .{1,60}\b(?:open|close|shut|"
    r"start|begin|end|air|kick off|rise|set|on)\b|\bhours of operation\b|\bsunrise\b|\bsunset\b|\bmoon ?(?:rise|"
    r"set|phase)\b|\bphase of the moon\b|"
    r"\bexchange rates?\b|\b(?:fuel|petrol|gas|diesel|gasoline|electricity|energy|power) prices?\b|\bhow (?:much|"
    r"many) .{1,40}\b(?:dollars?|euros?|pounds?|yen|rupees?|francs?|usd|eur|gbp|jpy|inr)\b.{0,20}\b(?:in|to|worth|"
    r"for|is|are)\b.{0,20}\b(?:dollars?|euros?|pounds?|yen|rupees?|francs?|usd|eur|gbp|jpy|inr)\b|"
    r"\bconvert .{1,30}\b(?:dollars?|euros?|yen|rupees?|francs?|usd|eur|gbp|jpy|inr|pounds sterling)\b|"
    r"\b(?:usd|eur|gbp|jpy|inr|chf) (?:to|in|into|/) (?:usd|eur|gbp|jpy|inr|chf)\b|\b(?:euro|dollar|pound|"
    r"yen) (?:to|against|vs) (?:the )?(?:euro|dollar|pound|yen)s?\b|"
    r"\bfixtures?\b|\bin (?:the )?cinemas?\b|\bshowtimes?\b|\bon (?:tv|television|at the cinema|netflix)\b|"
    r"\bwhat's on\b|\bin theatres?\b|\bdays? (?:until|till|left|to go|since|ago)\b|\bhow (?:long|"
    r"many \w+) (?:until|till|ago|since|before)\b|\bcountdown\b|\blottery (?:results?|numbers?)\b|"
    r"\bwinning numbers\b|"
    r"\bwho won\b(?!.*\b(?:war|battle|nobel|civil|election of|peace|siege|[0-9]{4}|first|ever|"
    r"most)\b)(?=.*\b(?:match|game|race|fight|election|debate|derby|bout|vote|series|grand prix|lottery|night|it|"
    r"the)\b)|\bspecials?\b.{0,20}\b(?:menu|of the day)\b|\b(?:of|for) the day\b|\bhoroscopes?\b|\bupcoming\b|"
    r"\bwordle\b|\bweekly (?:ad|offer|deal|menu)s?\b|\bon (?:sale|offer)\b|\bpublic holidays? (?:this|coming|"
    r"next)\b|\bwhen is the next\b|\bwhen(?:'s| is) .{1,40}\b(?:next|coming)\b|"
    r"\bleague table\b|\bstandings\b|\bpoll(?:s|ing) (?:numbers|average|say)\b|\bnumber one (?:song|film|movie|"
    r"book)\b|\btop (?:song|charts?|stories|movies?)\b|\bcharts?\b.{0,15}\bnumber\b|"
    r"\bthis year's\b.{0,30}\b(?:winner|date)\b|\bcovid (?:cases|numbers)\b|\bmenu\b.{0,15}\b(?:at|"
    r"of)\b.{0,25}\bcanteen\b|\bmortgage rates?\b|\binterest rates?\b.{0,20}\b(?:now|today)\b|"
    r"\bis it (?:a )?(?:weekend|monday|tuesday|wednesday|thursday|friday|saturday|sunday|christmas|a leap year|"
    r"bank holiday|summer time)\b",
)
_SETTLED_TODAY = re.compile(
    r"\b(?:still|even|even to|up to|until|till|used|in use|exist\w*|alive|known|relevant|known as|from .{1,40} to|"
    r"than|as we know it|do we \w+|people|society|is|are) (?:.{0,30} )?today\b(?!'s)|\btoday (?:compared|than|as|"
    r"versus|vs)\b"
)
_TODAY_ONLY = re.compile(r"\btoday\b(?!'s)")
_OFFICE = (
    r"(?:president|vice president|ceo|cfo|cto|chair(?:man|woman|person)?|prime minister|minister|king|queen|"
    r"monarch|pope|mayor|chancellor|governor|senator|secretary|leader|head|"
    r"owner|director|coach|manager|captain|champion|holder|speaker|chief|ambassador|premier|emperor|sultan|host|"
    r"editor|quarterback|number one|no\. ?1|world no|highest[- ]paid|richest|oldest living|"
    r"tallest|fastest|strongest|most (?:followed|subscribed|streamed|popular|valuable|visited|expensive|spoken|"
    r"used|downloaded|viewed|watched|decorated|populous))"
)
_SLOW = Gate(
    "slow",
    r"\bhow many people\b|\bhow long (?:has|have)\b|\bcovid\b|\brules? appl\w+|\brestrictions\b|\bin power\b|"
    r"\bin force\b|"
    r"\bwho(?:'s| is| are| runs| leads| owns| heads| governs| coaches| manages| holds|"
    rf" plays for)\b.{{0,40}}\b{_OFFICE}\b|\bwho (?:runs|leads|owns|heads|governs|coaches|manages|holds)\b|"
    rf"\bholds? the\b|\b(?:name|list) .{{0,20}}\b{_OFFICE}s? of\b|\b(?:is|does) .{{1,40}}\b(?:still|yet|married to|"
    r"dating|alive)\b|"
    r"\bpopulation\b|\bhow many (?:countries|members|users|employees|people (?:live|speak|work|use)|subscribers|"
    r"followers|inhabitants|states are|stores|customers|medals|titles|goals|grand slams|wins|satellites|"
    r"billionaires|satellites|moons does|episodes|seasons|wars|cars)\b|\brecord\b.{0,20}\b(?:holder|for)\b|"
    r"\bworld record\b|\bnet worth\b|\bmarket (?:cap|share|value)\b|\bgdp\b|\bunemployment\b|\bminimum wage\b|"
    r"\binflation\b.{0,20}(?:rate|in|is|\?)|\b(?:vat|tax|interest|base|income tax|corporation tax|birth|crime|"
    r"literacy) rates?\b|\bnational debt\b|"
    r"\bprices?\b|\bcosts?\b|\bhow much (?:is|are|does|do|would|will) (?:a|an|the|it|one|\w+)\b.{0,60}(?:\bcost|"
    r"\bworth|\bto (?:buy|rent|renew|get|fly)|\bpay|\?|$)|\b(?:cheapest|average salary|salary of|salaries|"
    r"fees? for|subscription fee|rent in)\b|\bvisa requirements?\b|\bdo (?:i|you|we) need a visa\b|"
    r"\bcurrent(?:ly)?\b|\blatest\b|\bnewest\b|\bmost recent\b|\brecent(?:ly)?\b|\bup[- ]to[- ]date\b|"
    r"\bstate of the art\b|\bsota\b|\bthis (?:year|season|decade|century|quarter|term|semester)\b|\bnext (?:year|"
    r"season|election|generation|model|version)\b|\blast (?:year|season|election|summer|winter)\b|\bnowadays\b|"
    r"\bthese days\b|\bso far\b|\bto date\b|\bas of\b|\bat the moment\b|\bat present\b|\bright now\b|\bnow\b|"
    r"\btoday\b|\bstill\b|\b202[5-9]\b|\b20[3-9][0-9]\b|"
    r"\bthe (?:tallest|largest|biggest|longest|richest|oldest|fastest|most \w+|best[- ]selling|highest[- ]\w+|"
    r"busiest) (?:\w+ ){0,3}(?:building|skyscraper|tower|bridge|company|companies|airport|person|people|man|woman|"
    r"living|city|cities|economy|car|computer|supercomputer|ship|stadium|bank|airline|film|movie|song|video|app|"
    r"website|brand|language|athlete|player|tunnel|train|university)\b|\bbest (?:phone|laptop|car|camera|tv|model|"
    r"llm|restaurant|hotel|airline|headphones|smartphone)s?\b|\b(?:stable|lts|current|new) (?:version|release)\b|"
    r"\bversion of\b|\brelease date\b|\bwhen (?:will|does|is) .{1,60}\b(?:come out|released?|launch|coming)\b|"
    r"\beu members?\b|\bmembers? of (?:the )?(?:eu|european union|nato|un|opec|brics|parliament|congress|"
    r"cabinet)\b|\bhow old is\b|\bwho won\b|\bnew law\b|\branked?\b|\brankings?\b|\bheadquarter(?:s|ed)\b|"
    r"\bin charge of\b|\bsupported (?:until|versions?)\b|\bend of life\b",
)
# Topics on which "now" and "at the moment" mean these months.
_SLOW_TOPIC = re.compile(
    rf"\b{_OFFICE}\b|\b(?:(?:vat|tax|interest|base|birth|crime|unemployment|inflation|literacy) rate|law|laws|"
    rf"rules|limit|record|version|model|population|largest|biggest|best|members?|"
    r"countries|company|policy|retirement age|owns?|runs|leads|holds|minimum|wage|language|framework|salary|"
    r"value added tax|vat|phone|building)\b"
)


# Apart from the patterns above, of which every part begins at a word: the search is twenty times faster for that.
_TIME_ALONE = re.compile(r"\W*the time\b")
_DATE_ALONE = re.compile(r"\W*(?:date|day)\W*$")


@lru_cache(maxsize=8)
def _bare(head: str) -> str:
    """Return the text without what only looks like a word of time; three rules ask for it, one after the other."""
    return _THING.sub(" ", head)


def is_live(head: str) -> bool:
    """Say whether the answer may change at any moment: weather, scores, delays, whether something is open."""
    bare = _bare(head)
    if _LIVE.is_in(bare) or _STATE.match(bare) or _TIME_ALONE.match(bare):
        return True
    return _NOW_WORD.is_in(bare) and _SLOW_TOPIC.search(bare) is None


def is_of_the_day(head: str) -> bool:
    """Say whether the answer is that of a day: news, dates, fixtures, what is on."""
    bare = _bare(head)
    found = _DATE_ALONE.match(bare) or _DAILY.search(bare)
    if found is None:
        return False
    return not (_TODAY_ONLY.fullmatch(found[0]) and _SETTLED_TODAY.search(bare) and len(_DAILY.findall(bare)) == 1)


def is_slow(head: str) -> bool:
    """Say whether the answer changes within months or years: offices, records, prices, versions."""
    return _SLOW.is_in(_bare(head))
