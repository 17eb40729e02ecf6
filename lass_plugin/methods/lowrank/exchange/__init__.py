"""The modules of one direction for others: in a stock checkpoint, or as PEFT's LoRA."""
