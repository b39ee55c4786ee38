"""What a request may ask and what an answer looks like, for any protocol.

Names, life, media types, bounds, conditions, the shapes of answers, and errors. It knows no sockets
and no protocol: each protocol renders what is defined here.
"""
