this is not a network
this is not a network
this is not a network
this is not a network
