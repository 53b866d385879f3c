"""Questions of our own for `registered.py`: what no data set has.

The first share places, people, days or numbers with a route's examples, the second words with a FAQ; some are meant for
it in other words, the others ask for something else. They were written while matching was made, so they show what it
does and are no blind test.
"""

from __future__ import annotations

from collections.abc import Sequence

from greenai.answerers.faq import Faq
from greenai.answerers.matching import Route
from greenai.answerers.registered import Function
from greenai.answerers.registry import Registry

ROUTES = {
    "weather": (
        "what is the weather in Boston on Monday",
        "will it rain in Boston tomorrow",
        "Monday forecast for Boston",
        "how cold is it in Boston tonight",
        "is it sunny in Boston this weekend",
    ),
    "flights": (
        "book a flight from Paris to Rome on Friday",
        "I need a plane ticket to London tomorrow",
        "find flights from New York to Chicago in June",
    ),
    "meeting": (
        "schedule a meeting with Sarah on Tuesday at 3pm",
        "set up a call with John tomorrow morning",
        "book a meeting with the team on Friday",
    ),
    "order": ("where is my order 48213", "track parcel 5521", "has order 9931 shipped yet"),
}
REWORDED = [
    ("what's the weather like in Lisbon on Thursday", "weather"),
    ("will it snow in Denver tonight", "weather"),
    ("forecast for Osaka on Sunday", "weather"),
    ("how hot is it in Madrid today", "weather"),
    ("do I need an umbrella in Boston", "weather"),
    ("book me a flight from Oslo to Vienna on Sunday", "flights"),
    ("I need a plane ticket to Tokyo in July", "flights"),
    ("find flights from Berlin to Dallas", "flights"),
    ("schedule a meeting with Paul on Wednesday at 10am", "meeting"),
    ("set up a call with Anna on Monday", "meeting"),
    ("where is order 77120", "order"),
    ("has my parcel 3310 shipped", "order"),
]
SHARING = [
    "What are my library's hours on Monday in Boston",
    "Monday in Boston",
    "who won the game in Boston on Monday",
    "best restaurants in Boston for Monday night",
    "who is the mayor of Boston",
    "what should I visit in Boston this weekend",
    "is the museum in Boston open on Monday",
    "history of Boston",
    "hotels in Boston tonight",
    "how many people live in Boston",
    "what time is it in London",
    "hotels in Paris on Friday",
    "how far is Paris from Rome",
    "capital of Italy",
    "what is on in London tomorrow",
    "train from Paris to Rome on Friday",
    "cheap hotel in New York in June",
    "which is bigger, New York or Chicago",
    "what is Sarah's phone number",
    "tell me about John",
    "who is Sarah",
    "what day is Tuesday",
    "what happened on Friday",
    "buy a present for Sarah on Tuesday",
    "is the shop open on Tuesday at 3pm",
    "what to cook on Friday with the team",
    "is 48213 a prime number",
    "what is 5521 times 3",
    "9931",
    "convert 5521 to binary",
    "order of operations 48213",
]

PAIRS = [
    "What is your phone number?",
    "What are your opening hours?",
    "Do you ship to Canada?",
    "How do I return an item?",
    "Where is your shop?",
    "How do I reset my password?",
    "What payment methods do you accept?",
    "How long does delivery take?",
    "Can I change my order?",
    "Do you offer gift cards?",
    "What is your return policy?",
    "Who founded the company?",
    "What is the warranty?",
]
OTHERWISE = [
    ("what are the opening hours", "What are your opening hours?"),
    ("When do you open?", "What are your opening hours?"),
    ("what are your opening hours please", "What are your opening hours?"),
    ("What are your hours?", "What are your opening hours?"),
    ("opening hours", "What are your opening hours?"),
    ("your opening hours", "What are your opening hours?"),
    ("what are your business hours", "What are your opening hours?"),
    ("which are your opening hours?", "What are your opening hours?"),
    ("Can you tell me your opening hours?", "What are your opening hours?"),
    ("What time do you open?", "What are your opening hours?"),
    ("your phone number", "What is your phone number?"),
    ("What's your phone number?", "What is your phone number?"),
    ("can I have your phone number", "What is your phone number?"),
    ("what is the phone number", "What is your phone number?"),
    ("phone number please", "What is your phone number?"),
    ("How can I return an item?", "How do I return an item?"),
    ("I want to return an item", "How do I return an item?"),
    ("how to return items", "How do I return an item?"),
    ("Where is the shop?", "Where is your shop?"),
    ("where is your store", "Where is your shop?"),
    ("how can I reset my password", "How do I reset my password?"),
    ("reset password", "How do I reset my password?"),
    ("which payment methods do you accept", "What payment methods do you accept?"),
    ("what payment methods are accepted", "What payment methods do you accept?"),
    ("how long does the delivery take", "How long does delivery take?"),
    ("can I still change my order", "Can I change my order?"),
    ("do you sell gift cards", "Do you offer gift cards?"),
    ("Do you have gift cards?", "Do you offer gift cards?"),
    ("what's your return policy", "What is your return policy?"),
    ("who founded your company", "Who founded the company?"),
    ("what warranty do I get", "What is the warranty?"),
]
ABOUT_OTHERS = [
    "what is a phone number",
    "what are phone numbers",
    "what does phone number mean",
    "What is my phone number?",
    "what is the phone number of the White House",
    "What is Apple's phone number?",
    "how do phone numbers work",
    "what are opening hours",
    "What are the opening hours of the Louvre?",
    "opening hours of the British Museum",
    "what are the bank's opening hours",
    "what are Walmart's opening hours?",
    "What are the opening hours of the library?",
    "What is a password?",
    "how do I reset my iPhone",
    "how do I reset my Google password",
    "where is the nearest shop",
    "What is a gift card?",
    "how do gift cards work",
    "What is delivery?",
    "who founded the company Tesla",
    "Who founded Apple?",
    "What is a warranty?",
    "what is the warranty on a Tesla",
    "Does Amazon ship to Canada?",
    "Do they ship to Canada?",
    "how long does pizza delivery take",
    "how long does childbirth delivery take",
    "Can I change my name?",
    "What is Amazon's return policy?",
    "define return policy",
    "what payment methods does eBay accept",
    "where is your god",
    "How do I return a value in Python?",
    "what is your name",
    "What is your favourite number?",
]


def counted(own: Registry, meant: Sequence[tuple[str, str]], others: Sequence[str]) -> str:
    """Return how many questions reached what they were meant for, and how many others reached anything."""
    own.refresh()

    def answer(question: str) -> str | None:
        fired = (candidate for candidate in own.candidates(question) if candidate.fires)
        return next((candidate.text or candidate.name for candidate in fired), None)

    found = sum(answer(question) == wanted for question, wanted in meant)
    wrong = sum(answer(question) is not None for question in others)
    return f"{found} of {len(meant)} found, {wrong} of {len(others)} others answered"


def report() -> list[str]:
    """Return the counts of both in words."""
    routes, faq = Registry(), Registry()
    for name, examples in ROUTES.items():
        routes.add(Function(name=name, call=str, route=Route(name=name, examples=examples)))
    faq.add(Faq([(question, question) for question in PAIRS]))
    return [
        f"Shared places, people, days, numbers: {counted(routes, REWORDED, SHARING)}",
        f"Words shared with a FAQ: {counted(faq, OTHERWISE, ABOUT_OTHERS)}",
    ]
