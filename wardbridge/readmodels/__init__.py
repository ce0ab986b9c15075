"""What is shown and told, followed from the log: who is coming to each ward, and what may be known of them.

``board`` is each ward's list, ``broadcaster`` the open streams, ``disclosure`` which fields of a patient each level may see,
``log_follower`` the one thread that follows the log for all of them. They own no truth.
"""
