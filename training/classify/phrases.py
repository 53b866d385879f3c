"""Requests of our own for kinds that the public sets hardly have: small talk, rewriting, translating, live questions.

Built from frames and fillings, so that the words around the verb vary.
"""

from __future__ import annotations

from itertools import product

_TEXTS = (
    "The ship left the harbour at dawn and came back with half of its crew.",
    "Our quarterly sales fell by four percent because of the strike.",
    "I bought this kettle last month and the lid broke on the second day.",
    "Dear team, the meeting moves to Thursday, please bring the new figures.",
    "The committee met in Oslo. Anna Berg was elected chair, and Tom Lee treasurer.",
    "Photosynthesis turns light into chemical energy in the leaves of plants.",
)
_CITIES = ("Paris", "Oslo", "Nairobi", "Lima", "my town", "Chicago", "Berlin")

FRAMES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "chat": (
        ("hi", "hello", "hey", "good morning", "thanks", "thank you", "ok", "great", "bye", "cool", "nice", "yes", "no",
         "sure", "perfect", "good night", "how are you", "what's up", "lol", "thank you so much", "see you", "got it"),
        ("", "!", " there", " there!", " again", ".", " :)", " my friend"),
    ),
    "translate": (
        ("Translate '{}' to Spanish.", "Translate into German: {}", "How do you say this in French? {}",
         "Please translate this to English: {}", "translate the following text into Chinese\n{}", "Translation of: {}"),
        (*_TEXTS, "good morning", "where is the station", "thank you very much"),
    ),
    "summarise": (
        ("Summarise this in one line: {}", "Summarize the following text:\n{}", "TL;DR {}", "Give me a summary of: {}",
         "Shorten this to ten words: {}", "What are the key points of this? {}", "Condense: {}"),
        _TEXTS,
    ),
    "rewrite": (
        ("Rewrite this more politely: {}", "Rephrase: {}", "Correct the grammar: {}", "Proofread this email: {}",
         "Make this sound more formal: {}", "Improve my sentence: {}", "Paraphrase the following:\n{}",
         "Fix the spelling mistakes in this: {}"),
        _TEXTS,
    ),
    "classify": (
        ("Classify this review as positive or negative: {}", "What is the sentiment of this text? {}",
         "Is this message spam or not spam? {}", "Label the topic (sport, politics, business): {}",
         "Does this sentence express anger, joy or fear? {}", "Categorise this ticket as bug, question or request: {}"),
        _TEXTS,
    ),
    "extract": (
        ("Extract the names from this text: {}", "List all dates and places in: {}", "Who is mentioned here? {}",
         "Find every product in this text: {}", "Pull out the email addresses from: {}",
         "Answer from the text only: who came back? {}", "Identify the people and organisations: {}"),
        _TEXTS,
    ),
    "live": (
        ("What is the weather in {}?", "will it rain in {} tomorrow", "What time does the museum in {} open today?",
         "latest news from {}", "How is the traffic in {} right now", "what is the current time in {}",
         "Which films are on in {} tonight?", "is the train to {} on time", "price of a flight to {} next week",
         "who won the game in {} last night", "How many people are queueing at the {} office now?"),
        _CITIES,
    ),
    "action": (
        ("Set an alarm for {}", "Remind me to call mum at {}", "turn off the lights at {}", "Play some jazz at {}",
         "book a table for two at {}", "cancel my appointment at {}", "add milk to my shopping list before {}"),
        ("7 am", "noon", "half past eight", "5 pm", "ten"),
    ),
    "write": (
        ("Write a poem about {}", "Write a short story about {}", "Draft an email to my manager about {}",
         "Compose a song on {}", "Give me five ideas for a blog post about {}", "Write an essay on {}",
         "Plan a weekend around {}", "Describe {} to a child", "Suggest a name for a company that makes {}"),
        ("rain", "the sea", "old trains", "a holiday", "green tea", "moving house"),
    ),
    "code": (
        ("Write a Python function that {}", "Write a SQL query that {}", "Fix this bug in my JavaScript: it {}",
         "Refactor this class so that it {}", "Write a bash script that {}", "Implement in Rust a program that {}"),
        ("parses dates", "counts words in a file", "removes duplicates", "reads a CSV file", "returns the median"),
    ),
    "puzzle": (
        ("How many {} are in strawberry?", "A wolf, a goat and a cabbage are on a river bank. How do I get {} over?",
         "Three people with {} sit in a row. Ann is not beside Bob. Who sits in the middle?",
         "Which is heavier, a kilogram of {} or a kilogram of steel?", "A man has two {} and loses neither. Why?"),
        ("r's", "feathers", "hats", "letters e", "sheep"),
    ),
    "maths": (
        ("Prove that {}", "Show that {}", "Show me that {}", "Why is it true that {}? Give a proof.",
         "Demonstrate that {}", "Derive: {}", "Establish rigorously that {}"),
        ("the square root of 2 is irrational", "there are infinitely many primes", "2^n > n for every n >= 1",
         "1 + 3 + ... + (2n - 1) = n^2", "the sum of two odd numbers is even", "the sum of the angles is 180 degrees"),
    ),
    "calculation": (
        ("What is {}?", "calculate {}", "{} =", "how much is {}", "{}", "please compute {}", "What's {}"),
        ("18% of 240", "12 * 13", "4.5 + 3", "1024 / 32", "15 percent of 80", "2^10", "the square root of 144",
         "300 minus 45", "10 miles in kilometres", "3 cups in ml", "100 F in celsius", "25 kg in pounds"),
    ),
    "other": (
        ("How can I {}?", "I want to {}. Where do I start?", "What is a good way to {}?", "Can you help me {}?",
         "Explain how to {} to me like I'm five", "Why do people {}?", "What do I need to {}?",
         "I am going to {} for the first time", "tell me how people {}", "Should I {}?", "ideas to {} with my kids"),
        ("use my phone less", "cut an onion", "get better at talking to people", "look after a cactus", "bake bread",
         "build a snow fort", "learn the guitar", "clean a leather sofa", "start running", "save money", "sleep better",
         "plan a picnic", "understand the tax system", "choose a telescope", "draw a horse", "fix a bicycle"),
    ),
    "with numbers": (
        ("Plan {}", "Write {}", "Suggest {}", "Help me with {}", "Create {}", "I need {}", "Could you draft {} for me?",
         "{}, please", "Give me {} and explain your choice"),
        ("a week of dinners for 4 people on 20 euros a day", "a 500 word essay about trains",
         "a 3 day trip to Rome for two adults and 3 children under 10", "10 names for a cat that weighs 6 kg",
         "a 45 minute lesson for 25 pupils aged 12", "a budget for a household that earns 2,300 dollars a month",
         "a 12 week running plan up to 10 km", "a story that begins on 4 May 1912 at 7 pm",
         "a table of 5 cars under 30,000 pounds with their weight in kg", "a menu with 3 courses for 8 guests tonight",
         "a speech of 3 minutes for a 60th birthday on Saturday", "a 2 page letter about a bill of 149.99 euros"),
    ),
    "about live things": (
        ("Explain {}", "How do {} work?", "Why do we have {}?", "Tell a child what {} are",
         "What is the history of {}?", "What is the point of {}?", "Compare {} in Europe and Asia",
         "Who invented {}?", "Give me ideas for a talk about {}", "Are {} reliable?", "Summarise how {} came about"),
        ("the stock market", "weather forecasts", "exchange rates", "time zones", "traffic jams", "interest rates",
         "calendars", "news agencies", "unit conversions", "alarm clocks", "flight delays", "opening hours",
         "ticket prices", "leap years", "percentages", "cinema programmes"),
    ),
    "assistant": (
        ("{}", "{}?", "hey, {}", "so {}?", "please tell me, {}"),
        ("are you as clever as a person", "what are you thinking of", "what should I call you", "do you like music",
         "tell me something I do not know", "can you think", "who are you really", "what can we talk about",
         "who are the main gods of old Egypt", "how many moons does Saturn have", "what is a black hole",
         "which planets have rings", "what came before the telephone", "tell me about the love life of Napoleon",
         "what music did people like in the twenties", "what was the first film", "which metals are rare",
         "why is the sky blue at noon", "what is inflation in simple words", "give me a list of rivers in Europe"),
    ),
    "fact": (
        ("Who wrote {}?", "When was {} finished?", "Where is {}?", "What is {}?",
         "In which year did people first see {}", "Tell me what {} is", "Is {} older than the Eiffel tower?"),
        ("Hamlet", "the Great Wall", "photosynthesis", "the Mona Lisa", "a lighthouse", "the capital of France"),
    ),
}  # fmt: skip


def phrases() -> list[tuple[str, str]]:
    """Return pairs of request and task."""
    found = []
    for task, (frames, fillings) in FRAMES.items():
        for frame, filling in product(frames, fillings):
            found.append((frame.format(filling) if "{}" in frame else frame + filling, task))
    return found
