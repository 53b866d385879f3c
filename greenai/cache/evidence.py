"""What shows that an answer stays as it is, and what shows that a question leans on what its words do not hold.

All texts here are in lower case, quoted parts are already `""`, and every pattern starts at a word. A question is taken
to be of a general matter only where its form says so: a definition, a way to do something, a cause, a thing that is
over, a thing of nature or of a language.
"""

from __future__ import annotations

import re

from greenai.cache.gates import Gate

__all__ = ["is_about_somebody", "is_code_task", "is_device", "is_general", "is_of_the_moment", "leans_on_more"]


def _one_of(words: str) -> str:
    return "(?:" + "|".join(words.split()) + ")"


# --- what the words do not hold -----------------------------------------------------------

_PRONOUN = (
    r"(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|(?:this|that|these|those)"
    r"(?! (?:very |coming |past )?(?:weeks?|weekend|months?|years?|season|morning|afternoon|evening|night|summer|"
    r"winter|"
    r"spring|autumn|decade|century|quarter|term|\w+day)\b))"
)
# Words that name nothing: where only such stand before a pronoun, nothing can be what it stands for.
_NAMELESS = (
    r"(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|am|be|been|do|does|did|has|have|had|can|could|"
    r"will|would|shall|should|may|might|must|i|you|we|me|us|about|of|with|for|to|at|in|on|from|the|a|an|if|whether|so|"
    r"just|really|ever|still|also|already|even|much|many|long|far|old|tall|big|often|and|but|or|not|else|"
    r"(?:who|what|when|where|why|how|that)'s|(?:does|do|did|is|are|was|were|has|have|ca|wo)n't)"
)
_AUX = r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)"
_LEANS = re.compile(
    rf"\W*(?:{_NAMELESS}\W+){{0,7}}(?:\w+ {_AUX} |(?!(?:color|colour|size|way|time|day|date|month|year|week|prove|show|"
    rf"say|suppose|assume|given|explain|imagine|pretend|know|true|let)\b)(?:\w+ )?){_PRONOUN}\b(?!-)|"
    rf"\W*(?:explain|describe|show|let|prove|tell me about|tell us about) (?:this|these|those|it|them|him|her)\b|"
    rf"\W*(?:explain|describe|tell me about) that\b\W*$|"
    r"\W*how (?:do|can|could|should|would) (?:i|you|we) \w+ (?:it|this|that|them|these|those|him|her|there|here)\b|"
    r"\W*which ones?\b|\W*(?:is|are|was|did|does|do|has|have|will|who|what|where|when|why)\b.{0,80} (?:me|us)\W*$|"
    r".{0,80}\b(?:here|(?:over|out|in|up|down|get|go|been|still|live|work|back|from|right) there|do (?:that|this|it)|"
    r"like (?:that|this)|about (?:that|this|it))\W*$|"
    r"\W*(?:can|could|may|do|does|did|will|would|have|has) (?:i|we|you|they|\w+s) .{1,60}\b(?:there|it|them|this|"
    r"that)\W*$"
)
# An "it" that stands for nothing, and a "that" that joins.
_DUMMY = re.compile(
    r"\W*(?:(?:is|was|would|are) it (?:really |ever |also |still |a good idea |a bad idea )?(?:true|ok|okay|safe|legal|"
    r"illegal|normal|possible|impossible|bad|good|healthy|unhealthy|wise|worth|better|best|necessary|correct|rude|"
    r"polite|harmful|dangerous|easy|hard|difficult|ethical|moral|wrong|right|allowed|grammatical\w*|common|usual|to)\b|"
    r"how (?:long|much|many|hard|easy|difficult|common|often)\b.{0,25} (?:does|do|did|would|is|was) it (?:usually |"
    r"typically |normally |really )?(?:take|need|to|cost|require)\b|"
    r"what (?:does|did) it (?:mean|take|feel like) (?:to|when|if|for)\b|how does it feel to\b|"
    r"what (?:is|was) it (?:called|like to)\b|why (?:is|was) it (?:called|important|necessary|hard|better|dangerous|"
    r"bad|that)\b|(?:what|which) (?:time|day|date|month|year|week|season) is it\b|if it (?:rains|snows)|"
    r"(?:that|those) (?:which|who)\b|(?:what|who|which|why|how) \w+ that\b.{12})"
)
_THINGS = _one_of(
    "boss manager baby babies toddler kids? children dogs? cats? puppy kitten neighbou?rs? landlord tenant teacher "
    "client "
    "customers? team guests? babysitter nanny plumber electrician husband wife mum mom dad boys? girls? "
    "twins colleagues? intern lawyer nurse guy lady couple visitor courier doors? doorbell fridge freezer "
    "oven stove dishwasher dryer car keys? remote phone tv telly lights? lamp thermostat heating garage garden "
    "kitchen bedroom bathroom basement attic house flat apartment laundry wi-?fi router printer laptop tablet camera "
    "alarm "
    "timer order build tests? deploy deployment release meeting call report tickets? e-?mails? messages? invoice "
    "files? folder documents? doc project deadline pipeline job logs? backup server database branch repo pr commit "
    "merge "
    "strike protest show movie film concert party exam appointment interview lesson class homework package parcel "
    "delivery mail post letter bill rent payment refund booking reservation hotel room office shop store bus train "
    "taxi "
    "uber flight plane boat milk bread coffee food dinner lunch breakfast cake pizza leftovers groceries list agenda "
    "budget plan plants? bins? trash rubbish pool elevator lift results? vote election score game match winner "
    "news address password code pin number wedding funeral calendar app site website website's page contract offer "
    "situation problem error issue bug noise smell leak"
)
_THE_THING = Gate(
    "the thing",
    r"\b(?:the|that|this) \w+ (?:meeting|contract|invoice|deal)\W*$|"
    r"(?:is|are|can|could|will) .{1,60}\b(?:included|delivered|refunded|shipped|rescheduled)\W*$|"
    r"(?:is|are|was|were) \S+(?: \S+)? (?:an? )?(?:members?|customers?|clients?|patients?|suppliers?|"
    r"candidates?)\W*$|"
    rf"\b(?:the|that|this|these|those) (?:(?:new|old|last|latest|next|other|first|second|front|back|main|big|little|"
    rf"unread|open|blue|red|green|white|black|spare|living|nightly|unit|integration|test|staging|production|guest|"
    rf"hotel|shopping|to-?do|washing|dining|coffee) )*(?:{_THINGS}|machine)\b(?! (?:of (?:the|an?|operations|"
    rf"magnitude)|from the bible)\b)|"
    r"\b(?:order|build|ticket|issue|pr|case|invoice|job|task|incident|parcel|shipment|booking|tracking|claim|deploy|"
    r"pull request|run)(?: number| no\.?| id)? ?#? ?[0-9]|"
    r"\bunread\b|\bwho (?:called|texted|rang|phoned|emailed|messaged|knocked|wrote|came|left|won't|let|ate|took|broke|"
    r"used|moved|parked|is calling|is knocking|'s calling|is there|'s there|is home|is coming|'s coming|is that)"
    r"(?: back| over| in| out| off| the| my| all| last)?\W*$|"
    r"\bwhat(?:'s| is) (?:for|in|on|under|behind|inside) (?!(?:a|an|common|television|tv|the (?:radio|tv))\b)|"
    r"\bwhat(?:'s| is) (?:wrong|dinner|lunch|"
    r"breakfast|the (?:plan|matter|problem|hold[- ]?up|password|address|code|occasion|catch|damage|verdict|news))\b|"
    r"\bhow far is it\b|\bwhat did (?!you\b).{1,40} (?:say|want|do|think|decide|answer|reply|write back|order)\W*$|"
    r"\bwho(?:'s| is| are) (?:free|off|away|working|late|ready|hungry|around|back|home)\b|"
    r"\bwho(?:'s| is| are) (?:at|in|on|with|outside|next|here|there|coming|going|calling|cooking|driving)\b",
)
# Where a thing with "the" is any of its kind: "How do I clean the oven?"
_OF_ANY = re.compile(
    r"\W*(?:how (?:do|can|could|should|would|to|might) (?!(?:he|she|it|they)\b)|how (?:is|are|was|were) .{1,60}"
    r"(?:made|built|calculated|measured)\b|who (?:invented|discovered|wrote|directed|composed|designed)|"
    r"when (?:was|were) .{1,60}\binvented|what(?:'s| is) the (?:best|easiest|fastest|safest|right|correct) way|"
    r"what (?:is|are|was|were) the (?:meaning|definition|difference|plural|purpose|history|plot|rules?)|"
    r"(?:write|draft|compose|create|explain|define|calculate|solve|prove|suggest)\b|why (?:do|does|did) (?!the\b)|"
    r"how many .{1,30}\b(?:in|on) (?:a|an)\b|should (?:a|an|the) )"
)
_REPLY = re.compile(
    r"\W*(?:(?:yes|yeah|yep|yup|no|nope|nah|sure|right|correct|exactly|maybe|why|why not|how so|how come|really|go on|"
    r"go ahead|continue|carry on|keep going|more|tell me more|say more|what else|anything else|what next|and then|"
    r"then what|so what|both|neither|either|all|none|which one|which ones|like what|such as|who|whom|when|where|what|"
    r"how|me too|same|same here|never mind|got it|do|do it|please do|i see|i do|i don't|not really|not yet|of course|"
    r"alright|all right|fine|great|perfect|good|cool|elaborate|be more specific|in (?:more )?detail|for example|"
    r"the (?:first|second|third|last|former|latter|other)(?: one)?|option [a-d0-9]|(?:what|how) about\b.*|"
    r"[a-d]|[0-9]|please|thanks|thank you|then|that|it|one|ones)(?:\W+|$)){1,4}$"
)
_LETTER = re.compile(r"\w")


_PUBLIC = re.compile(
    r"\b(?:game|match|news|television|tv|show|movie|film|concert|race|election|vote|results?|lottery|train|flight)\b"
)


def leans_on_more(head: str, *, text: str, daily: bool = False) -> bool:
    """Say whether it points to what is not in the text: to somebody, to a certain thing, to what was said before.

    With a day named, the game or the news is that day's, for everybody.
    """
    if not head.strip(" .,!?") and _LETTER.search(text):  # nothing but a greeting, or "and then?"
        return True
    if _REPLY.match(head):
        return True
    if _LEANS.match(head) and not _DUMMY.match(head):
        return True
    if not _THE_THING.is_in(head) or (daily and _PUBLIC.search(head)):
        return False
    return _OF_ANY.match(head) is None


# --- words to a device --------------------------------------------------------------------

_DEVICE = re.compile(
    r"\W*(?:(?:stop|undo|redo|snooze|pause|play|next|previous|skip|mute|unmute|back|home|cancel|resume|repeat|louder|"
    r"quieter|softer|brighter|dimmer|warmer|cooler|colder|hotter|faster|slower|higher|lower|exit|quit|restart|reboot|"
    r"rewind|forward|shuffle|record|save|send|delete|submit|confirm|dismiss|hang up|shut up|shut down|wake up|"
    r"lights?|save|retry|refresh|unlock|lock)(?: (?:it|that|this|them|all|please|now|song|track|one|page|everything|"
    r"a bit|a little|more))*|"
    r"(?:make|get|keep|turn|switch|put|set|change|bring|leave|dim|close|open|undo|fix|move|send|save|delete|remove) "
    r"(?:it|this|that|them|these|those|everything|all)\b.{0,40}|"
    r"(?!(?:what|who|when|where|which|why|how|is|are|was|were|do|does|did|a|an|the|explain|define|meaning|difference)"
    r"(?:'s)?\b)"
    r"(?:\w+ ){1,3}(?:unlock|lock|open|close|start|stop|play|pause|mute|on|off|up|down|louder|quieter|brighter|dimmer|"
    r"warmer|cooler|higher|lower)(?: please| now)?|"
    r"(?:open|launch|close|start) \w+|"
    r"(?:volume|brightness|heating|heat|temperature|thermostat) (?:to )?[0-9]+(?: degrees| percent|%)?)\W*$"
)


def is_device(head: str) -> bool:
    """Say whether it is what one tells a device: "lights on", "volume up", "make it warmer", "undo that"."""
    return _DEVICE.match(head) is not None


# --- how somebody or something is just then -----------------------------------------------

_GONE_BY = (
    r"(?:romans?|greeks?|egyptians?|vikings?|dinosaurs?|neanderthals?|mayans?|aztecs?|incas?|spartans?|celts?|"
    r"samurai|knights?|pharaohs?|gladiators?|mammoths?|ottomans?|mongols?|persians?|phoenicians?|napoleon|shakespeare|"
    r"einstein|mozart|beethoven|darwin|newton|galileo|aristotle|plato|socrates|jesus|caesar|cleopatra|columbus|lincoln|"
    r"gandhi|hitler|stalin|lenin|van gogh|leonardo|marie curie)"
)
_MOMENT = re.compile(
    rf"\W*(?:did|has|have|hasn't|haven't|didn't) (?!(?:the )?(?:ancient |early )?{_GONE_BY}\b)|"
    r"\W*how(?:'s| is| are|'re| was| were| did| has| have) (?!(?:you|i)\b).{1,60}\b(?:doing|going|do|go|looking|look|"
    r"feeling|holding up|getting on|performing|been|perform|play|end)\W*$|"
    r"\W*how(?:'s| is| are| was) (?:the )?[\w.'-]+(?: (?!\w*(?:ed|en|wn|made|built|spun|spelt|spread|cut|set|born|done|"
    r"bred|brewed|different|related|possible|similar)\W*$)[\w.'-]+)?\W*$|"
    r"\W*(?:is|are|isn't|aren't|was|were) there (?!(?:a |any |an )?(?:(?:\w+ )?difference|word|way|ways|proof|evidence|"
    r"limit|formula|such|rule|name|term|cure|synonym|plural|life|water|oxygen|gravity|sound|air|ice|infinit\w+|"
    r"relationship|link|connection|correlation)\b)|"
    r"\W*(?:should|shall|must|do|can|could) (?:i|we) (?:need to |have to |need |still )?(?:wear|bring|take|carry|pack|"
    r"water|leave|go|drive|walk|cycle|bike|run|swim|ski|sail|surf|stay|see|hang|book|buy|sell|a coat|a jacket|"
    r"sunscreen|boots|gloves|a hat|a sweater)\b|"
    r"\W*how (?:do|can|could|would|should) (?:i|we|you) (?:get|drive|travel|go|walk|reach) (?:to|from|home|back)\b"
    r"(?!.*\b(?:sleep|level|know|root|state|python|javascript|bash|git|excel|element|url)\b)|"
    r"\W*how long (?:does it|will it|would it) take to (?:get|drive|walk|fly|travel|go)\b|"
    r"\W*why (?:is|are|isn't|aren't) \w+ (?:so |all |always )?\w+ing\W*$|"
    r"\W*what(?:'s| is) \w+ing (?:so|out|off|up)\b|"
    r"\W*(?:is|are) the (?!(?:universe|earth|sun|moon|world|climate|galaxy|ocean|sea)\b)\w+ (?:\w+ing|\w{2,}ed|hot|"
    r"cold|"
    r"warm|wet|dry|clean|dirty|fresh|empty|broken|stuck|loose|flat|plugged in)\W*$|"
    r"\W*is it safe to (?:go|swim|travel|drive|walk|fly|visit|ski|sail)\b|"
    r"\W*why (?:is|are|isn't|aren't) .{1,60}\b(?:closed|down|late|delayed|crowded|trending|busy|crying|barking|up|"
    r"falling|rising|dropping|angry|quiet|striking|out|off|on|offline|slow|missing|cancelled|canceled|here|there)\W*$|"
    r"\W*(?:is|are|was|were) (?!(?:a|an|it|the)\b)[\w.'-]+(?: [\w.'-]+)? (?:\w+ing|green|red|done|ready|home|asleep|"
    r"awake|back|here|there|up|down|in|out|on|off|winning|dead|alive|single|married|pregnant|sick|ill|ok|okay|fine|"
    r"away|around|late|free|busy|safe|coming)\W*$"
)


def is_of_the_moment(head: str) -> bool:
    """Say whether it asks how something went or stands: "Did Ireland win?", "How is Tesla doing?"."""
    return _MOMENT.match(head) is not None


# --- what stays ---------------------------------------------------------------------------

_KINDS = (
    r"(?:(?:chemical|blood|prime|even|odd|irrational|human|largest|smallest|first|roman|greek|norse|data|http|big|"
    r"planetary|musical|string|body|main|primary|basic|internal|programming|noble|amino|fatty|famous|ancient|"
    r"shakespeare) )?"
    r"(?:planets?|moons?|stars?|gas|gases|elements?|rivers?|lakes?|seas?|oceans?|continents?|mountains?|deserts?|"
    r"islands?|animals?|metals?|vitamins?|organs?|bones?|muscles?|languages?|colou?rs?|authors?|composers?|painters?|"
    r"artists?|emperors?|pharaohs?|philosophers?|scientists?|words?|tenses?|letters?|numbers?|digits?|shapes?|"
    r"chemicals?|"
    r"acids?|bases?|minerals?|plants?|trees?|birds?|insects?|mammals?|fish|reptiles?|fruits?|vegetables?|foods?|"
    r"instruments?|treaty|wars?|battles?|century|year|decade|era|novels?|poems?|plays?|gods?|goddess\w*|myths?|"
    r"particles?|forces?|laws? of|theorems?|units?|hormones?|enzymes?|glands?|cells?|types?|kinds?|sorts?|structures?|"
    r"algorithms?|methods?|commands?|functions?|protocols?|ports?|keywords?|operators?|symbols?|prefix|suffix|"
    r"prepositions?|pronouns?|articles?|adjectives?|adverbs?|verbs?|nouns?|ingredients?|spices?|proteins?|nutrients?|"
    r"dynasty|empire|civili[sz]ations?|parts? of (?:the body|a|an|speech)|angles?|polygons?|triangles?|genre|"
    r"proverbs?|idioms?|religions?|alphabets?|signs?|flags?|states? of matter|layers?|waves?|rocks?|compounds?|"
    r"isotopes?|"
    r"gene|genes|bacteria|virus|viruses|diseases?|herbs?|cheeses?|wines?|grains?|temperature|percentage|proportion)"
)
_TOPIC = (
    r"(?:capital|difference|differences|similarit\w+|meaning|meanings|definition|formula|symbol|boiling|freezing|"
    r"melting|plot|plural|singular|past|present|future|synonyms?|antonyms?|opposite|speed of|distance|atomic|square|"
    r"cube|"
    r"cubic|area|volume of a|perimeter|circumference|radius|diameter|chemical|molecular|purpose|function|functions|"
    r"role|history|origins?|causes?|effects?|symptoms?|signs of|rules?|laws?|theory|theorem|longest|largest|biggest|"
    r"smallest|highest|deepest|tallest|shortest|heaviest|lightest|hottest|coldest|fastest|slowest|closest planet|"
    r"best way|easiest way|best time to|right way|correct|proper|procedure|process|order of operations|probability|"
    r"chance of (?!rain|snow|a storm|showers)|odds of rolling|derivative|integral|limit of|value of (?:pi|e|x|the)|"
    r"unit|structure|mechanism|principles?|moral|themes?|etymology|translation|word for|term for|technical term|"
    r"name (?:of|for) (?:a|an)|length of (?:a|an)|height of (?:mount|the eiffel)|depth|mass of|weight of (?:a|an|one)|"
    r"density|main|basic|key|primary|secondary|three|four|five|six|seven|eight|ten|twelve|types?|kinds?|parts|stages?|"
    r"phases of|steps|layers|ingredients|benefits?|advantages?|disadvantages?|pros|drawbacks|side effects|"
    r"characteristics?|properties|features of (?:a|an)|components?|elements of|importance|significance|impact|"
    r"influence|"
    r"relationship between|correct|syntax|time complexity|space complexity|big o|abbreviation|acronym|greatest common|"
    r"least common|lowest common|sum of|product of|average of|median of|mean of|remainder|roman numeral|"
    r"seven|scientific|latin|greek|roman|french|german|spanish|italian|english|common|usual|typical|normal|average "
    r"(?:lifespan|height|weight|distance)|gestation|lifespan|life cycle|life expectancy of|habitat|national (?:animal|"
    r"flower|"
    r"anthem|language|dish)|official language|currency|golden|great|big bang|human|periodic|pythagorean|"
    r"fibonacci|quadratic|second law|first law|third law|setting of|narrator|author|tone of|summary of|use of|uses of|"
    r"point of|idea behind|concept|reason|reasons|solution (?:to|of)|square root|cell|heart of|powerhouse|"
    r"ideal|recommended|internal temperature|conversion)"
)
_ENDS = (
    r"(?:theorem|laws?|law of \w+|effect|principle|test|paradox|theory|equation|constant|rule|tense|perfect|hypothesis|"
    r"disease|syndrome|razor|dilemma|sieve|tendon|cat|method|formula|cycle|system|wall|revolution|war|ages?|empire|"
    r"renaissance|enlightenment|"
    r"reformation|"
    r"holocaust|function|model|distribution|algorithm|curve|process|reaction|series|sequence|triangle|(?:morse|genetic|"
    r"binary|dress) code|"
    r"movement|era|period|dynasty|myth|scale|ratio|complex|subjunctive|imperative|conditional|passive voice|voice|"
    r"alphabet|proverb|command|keyword|operator|mood|gland|membrane|barrier|belt|clause)"
)
# Words after "what is", without an article, that ask for how it stands and not for what it is.
_NO_THING = (
    r"(?:the|this|that|these|those|my|our|your|his|her|their|its|it|he|she|they|you|we|i|there|here|new|up|on|in|at|"
    r"for|next|left|wrong|happening|going|good|inside|outside|under|behind|near|trending|hot|everyone|everybody|anyone|"
    r"somebody|someone|dinner|lunch|breakfast|homework|so|not|cooking|open(?! source)|playing|showing|available|today|"
    r"tonight|"
    r"today's|best|better|cheaper|cheapest|more|most|popular)"
)
_DOING = (
    r"(?:doing|wearing|saying|eating|playing|making|planning|selling|charging|asking|thinking|waiting|going|showing|"
    r"offering|hiring|up to|at|on|up|in|about|like|worth|called|now|today|next|for|status|score|price|forecast|number|"
    r"address|hours|menu|schedule|news|age|wife|husband|ceo|salary|revenue|name|email|phone|password)"
)
_PLACES = (
    r"(?!(?:was|is|has|does|this|his|us|yes|banks|shops|stores|schools|trains|buses|flights|restaurants|pharmacies|"
    r"pubs|"
    r"offices|museums|supermarkets|lakers|workers|teachers|students|tickets|tests|orders|messages|emails|results|"
    r"lights|"
    r"prices|stocks|shares|markets|polls|rates|roads|streets|borders|servers|services|systems|things|kids|guests)\b)"
)
_MADE = (
    r"(?:wrote|written|painted|discovered|invented|composed|founded|built|designed|directed|sculpted|proved|proposed|"
    r"developed|created|coined|formulated|assassinated|killed|conquered|discovered|explored|unified|ruled|"
    r"published|introduced|pioneered|said|sang|succeeded|signed|fought|led the|defeated|colonised|colonized|translated|"
    r"starred|produced|isolated|first|made the first)"
)
_BEFALL = (
    r"(?:fall|end|start|begin|began|die|died|sink|sank|born|built|founded|invented|discovered|become|became|happen|"
    r"happened|occur|occurred|reign|published|written|abolished|signed|erupt|erupted|extinct|crowned|assassinated|"
    r"killed|completed|established|independence|independent|collapse|collapsed|fought|landed on|land on|invent|"
    r"discover|"
    r"write|paint|revolution|war|battle|renaissance|empire|gain|rule|ruled|conquered|invade|introduced|created|"
    r"painted|composed|first)"
)
_COUNTED = (
    r"(?:legs|arms|eyes|hearts|bones|teeth|stomachs|wings|toes|fingers|ribs|muscles|sides|edges|faces|vertices|corners|"
    r"strings|keys|letters|chromosomes|electrons|protons|neutrons|valence electrons|continents|oceans|planets|calories|"
    r"vowels|consonants|syllables|lines|acts|cards|squares|pieces|colou?rs|bits|bytes|seconds|minutes|hours|days|weeks|"
    r"months|years|centimet(?:re|er)s|met(?:re|er)s|kilomet(?:re|er)s|miles|feet|inches|yards|ounces|grams|kilograms|"
    r"kilos|"
    r"pounds|lit(?:re|er)s|millilit(?:re|er)s|gallons|pints|cups|tablespoons|teaspoons|cents|pennies|degrees|zeros|"
    r"players|time zones|books|chambers|lungs|kidneys|layers|elements|amino acids|moles|atoms|quarts|tentacles|"
    r"dimensions|stars|stripes|symphonies|lanes|hearts|primes|holes|frets|pints|nights|grams of \w+)"
)
_CLASSES = (
    r"(?:fruit|vegetable|mammal|reptile|amphibian|insect|bird|fish|planet|star|metal|liquid|solid|gas|noun|verb|"
    r"adjective|"
    r"adverb|pronoun|preposition|language|number|prime|word|element|compound|mixture|acid|base|vector|scalar|continent|"
    r"country|island|berry|nut|legume|plant|fungus|bacterium|virus|drug|vitamin|mineral|protein|sport|religion|"
    r"rational|"
    r"functional|compiled|statically|object|keyword|statement|superfood|spice|herb|palindrome|polygon|parallelogram|"
    r"square|rectangle|rhombus|crystal|conductor|insulator|color|colour|carnivore|herbivore|predator|sin|crime|"
    r"disorder)"
)
_GENERAL = re.compile(
    r"\W*(?:"
    # what something is, or was
    rf"what(?:'s| is| are| were| was) (?:a|an|meant by|\"\")(?: |\W*$)|"
    rf"what(?:'s| is| are| was| were)? (?:the |some )?(?:\w+ ){{0,2}}?{_TOPIC}\b|"
    rf"what(?:'s| is| was| were| are) (?:the )?(?!the )\w[\w'. -]{{0,60}} {_ENDS}\W*$|"
    rf"what(?:'s| is| are) (?!{_NO_THING}\b)(?!\w+ing (?:so|the|my|this|that|out|"
    rf"from)\b)(?![^?]*\b{_DOING}\W*$)(?![^?]*(?:'s|"
    rf"s') )\w[\w+#./&-]*(?: [\w+#./&-]+){{0,3}}(?:\W*$|,? and "
    r"(?:why|how|what|where|when|who)\b)|"
    rf"what (?!{_NO_THING}\b)(?!(?:is|are|was|were|do|does|did|has|have|can|will|time|day|date)\b)[\w -]{{1,50}} (?:is|"
    rf"are|means?)\W*$|"
    r"(?:say|suppose|assume|imagine|given|if)\b.{1,200}\b(?:chances?|probability|odds|likelihood)\b|"
    rf"what(?:'s| is| are) (?!{_NO_THING}\b)[\w -]{{1,50}} (?:used for|made of|made from|good for|known for|in (?:\w+ )"
    r"{0,3}(?:programming|mathematics|maths?|physics|chemistry|biology|computing|statistics|economics|python|java|sql|"
    r"git|"
    r"grammar|music|philosophy|psychology|linguistics|cooking|law|medicine|literature|accounting|finance))\b|"
    rf"what (?:do|does|did) (?:(?:a|an|humans|people|you call)\b|{_PLACES}\w+s\b)(?! (?:want|say|think|open|"
    rf"close)\W*$)|"
    r"what (?:do|does|did) .{1,80}\b(?:mean|stand for|have to do|look like|measure|symboli[sz]e|represent|"
    r"consist of)\b|"
    r"what (?:happens|would happen|happened) (?:when|if|to .{1,40}\b(?:when|if)|during)\b|"
    r"what (?:causes?|caused|makes|determines?|affects?|influences?|led to|prevents?|separates|connects|protects|"
    r"produces|contains)\b|"
    rf"(?:in |on |at |from |by |to |of )?(?:what|which) {_KINDS}\b|what (?:kind|type|sort)s? of\b|"
    r"what (?:should|can|could) (?:i|you|we|one) (?:use|substitute|put|add|serve|cook|plant) |"
    rf"what(?:'s| is| are| were) (?:the )?{_KINDS}\W*$|what (?:do|does) (?:the )?(?:git|docker|npm|pip|python|sql|css|"
    rf"html|"
    r"java|javascript|bash|linux|regex|kubernetes|react|rust)\b|"
    # who, when, where of things that are over
    rf"who (?:first |originally )?{_MADE} |who (?:was|were) (?!(?:in|at|on|with|there|here|calling|late|early|absent|"
    rf"present|"
    rf"ill|sick|right|wrong|missing|invited|chosen|\w+ing|the (?:last|best))\b)|"
    rf"(?:what|which) (?:city|town) (?:is|was) the capital\b|by whom (?:was|were)|when (?:was|were|did) (?!.*\b(?:last|"
    rf"latest|next)\b).{{1,80}}\b{_BEFALL}\b|"
    r"where (?:was|were|did) .{1,60}\b(?:born|built|invented|discovered|founded|fought|signed|die|originate|come from|"
    r"begin|start|take place)\b|where (?:do|does) .{1,60}\b(?:come from|grow|originate|lay|nest|occur)\b|"
    r"where do (?:\w+ )?\w+s live\b|"
    r"where (?:is|are|was|were) (?:mount |mt\.? |lake |the )?[\w' -]{0,40}?(?:(?:located|found|spoken|situated|"
    r"produced)\W*$|"
    r"\b(?:desert|river|mountains?|sea|ocean|tower|canal|strait|falls|peninsula|islands?|cathedral|temple|"
    r"pyramids?|volcano|rainforest|reef|basin|wall|colosseum|mount|lake|liver|kidneys?|heart|pancreas|spleen|"
    r"thyroid|appendix)\b)|"
    # how things are done, and how they work
    r"how (?:do|does|did|can|could|should|would|to|might) (?!(?:he|she|they)\b)|"
    r"how (?:is|are|was|were) .{1,60}\b(?:made|calculated|measured|determined|defined|formed|produced|used|built|"
    r"classified|created|written|pronounced|spelled|spelt|caused|treated|transmitted|organi[sz]ed|structured|"
    r"stored|extracted|related|different|discovered|generated|cooked|prepared|implemented|represented|derived)\b|"
    rf"how many {_COUNTED}\b(?! (?:did|has|have|until|till|left|are left|remain)\b)|"
    r"how (?:tall|deep|wide|heavy|thick) (?:is|are|was|were|can|do)\b|"
    r"how (?:far|long|high|big|large|hot|fast|old|small|dense|loud|strong) (?:is|are|was|were|can|does|do|did) "
    r"(?:(?:a|an|mount|lake)\b|(?:the )?(?:\w+ )?(?:earth|sun|moon|universe|mars|jupiter|saturn|venus|mercury|neptune|"
    r"uranus|pluto|milky way|solar system|river|nile|amazon|wall|atom|light|sound|cheetahs?|bone|marathon|eiffel tower|"
    rf"great wall|desert|ocean|pyramids?|galaxy|cell|electron|proton)\b(?! (?:delivery|order|parcel|package|queue|team|"
    rf"office|flight|trip|"
    rf"drive|project|meeting)\b)|{_PLACES}\w+s (?:live|run|get|fly|grow|sleep|"
    rf"swim)\b)|"
    r"how far is .{2,40} from (?!(?:here|me|home)\b)|"
    r"how (?:long|often|much|many)\b.{0,40} (?:should|do|does|did|can|must|to|is|are|need)(?: (?:you|i|we|one|"
    r"it))? .{0,60}\b"
    r"(?:live|last|boil|cook|bake|roast|fry|steep|keep|take to|need to|brew|simmer|rest|marinate|knead|thaw|"
    r"water|sleep|exercise|eat|drink|grow|heal|digest|hibernate|gestate|take)\b|"
    r"why (?!(?:me|now|here)\b)\w+ \w+|"
    # whether, of a kind of things
    r"(?:is|are) \w+(?: \w+)? (?:vegan|vegetarian|toxic|poisonous|flammable|edible|magnetic|soluble|gluten[- ]free|"
    r"renewable|contagious|hereditary|biodegradable|acidic|alkaline|carcinogenic|healthy|countable|uncountable|"
    r"transitive|"
    r"recyclable|radioactive|venomous|nocturnal|endangered|extinct)\W*$|"
    rf"(?:is|are|was|were) (?:a|an) |(?:is|are|was) (?:the )?[\w-]+(?: [\w-]+)? (?:a|an|considered|really a|made of|"
    rf"one of) "
    rf"(?:\w+ ){{0,2}}{_CLASSES}\b|(?:are|do|can|could|did|were) (?:all |most |some |male |female |wild |"
    rf"baby )?{_PLACES}\w+[^s\W]s "
    r"(?!\w+ing\b|win|lose|open|close|closed|cheap|expensive|free|available|ready|here|on|up|down)\w+|"
    rf"(?:did|do|were|was|could) (?:the )?(?:ancient |early )?{_GONE_BY}\b|(?:can|do|are|did) (?:humans|people|men|"
    rf"women|fish|sheep|"
    r"deer|mice|geese|bacteria|fungi|you (?:freeze|eat|mix|use|boil|put|cook|grow|have|wash|recycle|compost)) ?|"
    r"(?:is|are|does|do) (?!.*\b(?:cheaper|more expensive|pric\w+|warmer|colder|busier)\b).{1,60}\b(?:than|the same as|"
    r"equal to|divisible by|contain|conduct|dissolve in|float|expand|freeze|boil|melt|evaporate|rust|burn|cause)\b|"
    r"(?:is|was) it (?:true|ok|okay|safe|legal|illegal|normal|possible|bad|good|healthy|unhealthy|rude|harmful|"
    r"dangerous|"
    r"correct) (?:to|that|for|if)\b|"
    # tasks that hold all they need
    r"(?:explain|define|describe|compare|contrast|convert|calculate|compute|solve|evaluate|simplify|factor|"
    r"differentiate|"
    r"integrate|prove|list|name|spell|outline|discuss|conjugate|decline|derive|balance|expand|multiply|divide|subtract|"
    r"teach me|show (?:me |us )?how|true or false|introduction to|overview of|tutorial|guide to)\b(?!\W*$)|"
    r"(?:add|sum) .*[0-9]|summari[sz]e (?:the )?(?:plot|story|main ideas?|themes?|theory|history|causes|argument)\b|"
    r"give (?:me |us )?(?:a|an|the|some|\w+) (?:\w+ )?(?:definition|examples?|overview|explanation|summary|list|"
    r"synonyms?|"
    r"antonyms?|proof|formula|reasons?|differences?|recipe|steps|instructions|tips)\b|"
    r"(?:meaning|definition|capital|formula|synonyms?|antonyms?|opposite|plural|pronunciation|etymology|origin|"
    r"translation|symptoms|causes|benefits|history|difference|differences|steps|instructions|examples?|types|list|"
    r"rules) "
    r"(?:of|for|to|between)\b|"
    r"(?:[\w-]+ ){0,4}recipes?(?: (?:for|with|of) .*)?\W*$|"
    r"(?:write|show|give)(?: me)? (?:a |an |some |the )?(?:[\w+#-]+ ){0,4}(?:code|function|script|program|query|regex|"
    r"class|method|snippet|one-?liner|algorithm|command|macro|formula|sentence|example|loop|unit tests?|test|component|"
    r"dockerfile|makefile|stylesheet|decorator|hook|expression)\b|"
    r"(?:rewrite|correct|classify|extract|identify|complete|translate|sort|count|reverse|order|rephrase|"
    r"arrange)\b.{0,80}[:\"]"
    r")"
)
_ADVISED = re.compile(
    r"\W*(?:is|are|can|do|does|what|how)\b.{0,100}\b(?:in|for) (?:adults|children|humans|dogs|cats)\W*$"
)


def is_general(head: str) -> bool:
    """Say whether the form is that of a question about how things are, whoever asks, and whenever."""
    return _GENERAL.match(head) is not None or _ADVISED.match(head) is not None


_CODE_TASK = re.compile(
    r"\W*(?:write|create|make|give|show)\b.{0,30}\b(?:bash|shell|python|javascript|typescript|java|sql|rust|go|ruby|"
    r"perl|php|"
    r"powershell|c\+\+|c#|awk|sed|lua|node|react|html|css|regex)(?!\w)"
)
_SOMEBODY = re.compile(
    r"\W*where(?:'s|'re| is| are| was| were| do| does| did| has| have)\b|\W*what did\b|\W*who \w+ \w+|"
    r"\W*what(?:'s| is) \w+ up to\b"
)


def is_code_task(head: str) -> bool:
    """Say whether it wants code in a named language, which is much the same each time."""
    return _CODE_TASK.match(head) is not None


def is_about_somebody(head: str) -> bool:
    """Say whether it asks where something is, what somebody did, or who did it."""
    return _SOMEBODY.match(head) is not None
