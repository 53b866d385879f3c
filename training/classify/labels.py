"""What the rows of each set say about tasks, sources of answers, generation and volatility.

An intent says more than a rule: intents come first, then what a set is made of, then our own frames (phrases.py).
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CLINC = {
    "calculation": "calculator measurement_conversion tip",
    "live": "time date timezone weather exchange_rate traffic flight_status gas how_busy what_song next_holiday "
    "restaurant_suggestion restaurant_reviews travel_suggestion travel_alert interest_rate current_location",
    "chat": "greeting goodbye thank_you yes no maybe are_you_a_bot how_old_are_you do_you_have_pets meaning_of_life "
    "what_are_your_hobbies what_is_your_name where_are_you_from who_do_you_work_for who_made_you what_can_i_ask_you",
    "fact": "definition spelling fun_fact calories nutrition_info ingredient_substitution cook_time plug_type "
    "international_visa vaccines food_last tire_pressure mpg gas_type",
    "write": "tell_joke",
    "translate": "translate",
    "action": "alarm timer reminder reminder_update todo_list_update shopping_list_update make_call text play_music "
    "next_song update_playlist smart_home change_volume change_speed book_flight book_hotel car_rental uber "
    "restaurant_reservation cancel_reservation confirm_reservation schedule_meeting calendar_update flip_coin "
    "roll_dice whisper_mode sync_device reset_settings share_location find_phone cancel repeat order pay_bill transfer "
    "freeze_account report_lost_card report_fraud change_language change_accent change_ai_name change_user_name "
    "pin_change new_card order_checks pto_request redeem_rewards schedule_maintenance",
}
_HWU = {
    "calculation": "qa_maths datetime_convert",
    "live": "datetime_query news_query qa_currency qa_stock weather_query transport_query transport_traffic "
    "recommendation_events recommendation_locations recommendation_movies takeaway_query social_query",
    "chat": "general_affirm general_confirm general_dontcare general_negate general_praise general_repeat "
    "general_commandstop general_explain",
    "fact": "qa_factoid qa_definition",
    "write": "general_joke",
    "action": "alarm_remove alarm_set audio_volume_down audio_volume_mute audio_volume_up calendar_remove calendar_set "
    "email_addcontact email_sendemail iot_cleaning iot_coffee iot_hue_lightchange iot_hue_lightdim iot_hue_lightoff "
    "iot_hue_lighton iot_hue_lightup iot_wemo_off iot_wemo_on lists_createoradd lists_remove music_settings "
    "play_audiobook play_game play_music play_podcasts play_radio social_post takeaway_order transport_taxi "
    "transport_ticket",
}
_SNIPS = {
    "live": "GetWeather SearchScreeningEvent",
    "action": "AddToPlaylist BookRestaurant PlayMusic RateBook SearchCreativeWork",
}


def _inverted(by_task: dict[str, str]) -> dict[str, str]:
    return {intent: task for task, intents in by_task.items() for intent in intents.split()}


TASK_OF_INTENT = {"clinc150": _inverted(_CLINC), "hwu64": _inverted(_HWU), "snips2017": _inverted(_SNIPS)}

DETERMINISTIC = _names(
    "calculator measurement_conversion time date timezone flip_coin roll_dice spelling timer alarm "
    "qa_maths datetime_convert datetime_query"
)
LOOKUP = _names(
    "weather exchange_rate traffic flight_status gas how_busy what_song next_holiday restaurant_suggestion "
    "restaurant_reviews travel_alert interest_rate current_location balance bill_balance bill_due transactions "
    "spending_history rewards_balance credit_score credit_limit min_payment order_status pto_balance pto_used "
    "pto_request_status payday income directions distance application_status calendar todo_list shopping_list "
    "meeting_schedule routing expiration_date apr insurance nutrition_info calories definition tire_pressure mpg "
    "international_visa vaccines plug_type last_maintenance schedule_maintenance "
    "weather_query news_query qa_currency qa_stock transport_query transport_traffic calendar_query email_query "
    "email_querycontact lists_query alarm_query music_query recommendation_events recommendation_locations "
    "recommendation_movies takeaway_query social_query qa_definition "
    "GetWeather SearchScreeningEvent BookRestaurant PlayMusic AddToPlaylist RateBook SearchCreativeWork"
)
# What a tool answers whole, so that no model has to write: the positives of "no generation needed".
ANSWERED = DETERMINISTIC | _names(
    "weather exchange_rate traffic flight_status gas next_holiday balance bill_balance bill_due order_status "
    "credit_score rewards_balance pto_balance directions distance what_song current_location credit_limit "
    "min_payment interest_rate transactions payday "
    "weather_query qa_currency qa_stock transport_traffic transport_query calendar_query news_query alarm_query "
    "GetWeather SearchScreeningEvent"
)
# What somebody has to write: questions without a tool, advice, small talk about the assistant.
ASKED = _names(
    "oos improve_credit_score jump_start oil_change_how tire_change recipe meal_suggestion travel_suggestion "
    "ingredient_substitution meaning_of_life tell_joke fun_fact what_are_your_hobbies do_you_have_pets how_old_are_you "
    "who_made_you where_are_you_from are_you_a_bot what_can_i_ask_you translate cooking_recipe general_quirky "
    "general_joke qa_factoid qa_definition recommendation_movies greeting goodbye thank_you yes no maybe "
    "what_is_your_name who_do_you_work_for general_praise general_affirm general_explain"
)
VOLATILE = _names(
    "time date timezone weather exchange_rate traffic flight_status gas how_busy what_song current_location balance "
    "bill_balance transactions spending_history rewards_balance order_status pto_balance application_status calendar "
    "todo_list shopping_list meeting_schedule flip_coin roll_dice next_song restaurant_suggestion travel_alert "
    "weather_query news_query qa_currency qa_stock transport_query transport_traffic datetime_query calendar_query "
    "email_query lists_query alarm_query music_query recommendation_events recommendation_movies takeaway_query "
    "social_query GetWeather SearchScreeningEvent"
)
STABLE = _names(
    "calculator measurement_conversion definition spelling fun_fact calories nutrition_info ingredient_substitution "
    "cook_time plug_type translate meaning_of_life tell_joke oil_change_how jump_start tire_change food_last "
    "qa_maths qa_factoid qa_definition general_joke cooking_recipe datetime_convert RateBook SearchCreativeWork"
)
# Tools of MetaTool whose answers change within a day.
LIVE_TOOLS = ("weather", "news", "stock", "crypto", "flight", "ticket", "price", "carpark", "coupon", "deal")
