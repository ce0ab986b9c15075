"""What is shown and told, followed from the log: who is coming to each ward, and what may be known of them.

``board`` and ``hub`` are the wards' lists and those who listen; ``known`` what is told at each level of fields;
``tail`` the one thread that follows the log for all of them. They own no truth.
"""
