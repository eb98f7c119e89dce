"""Table 1, Figs. 2 and S4 to S6: images recovered from each layer of AlexNet, by three methods."""
